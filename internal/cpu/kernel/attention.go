package kernel

import (
	"fmt"
	"math"
)

// check panics unless the slices have the lengths that the shape asks for, 0 ≤ lo ≤ hi ≤ pairs, and the sequences of those
// pairs lie inside the rows. It returns the longest of these sequences.
func (a *Attention) check(lo, hi int) (longest int) {
	c := a.Heads * a.HeadDim
	if a.Heads < 1 || a.HeadDim < 1 || len(a.Offsets) < 1 ||
		len(a.QKV) < a.Rows*3*c || len(a.Out) < a.Rows*c || len(a.LSE) < a.Rows*a.Heads {
		panic(fmt.Sprintf("kernel: attention of %d rows, %d heads of %d: qkv has %d, out %d, lse %d and offsets %d elements",
			a.Rows, a.Heads, a.HeadDim, len(a.QKV), len(a.Out), len(a.LSE), len(a.Offsets)))
	}
	if sequences := len(a.Offsets) - 1; lo < 0 || lo > hi || hi > sequences*a.Heads {
		panic(fmt.Sprintf("kernel: attention pairs %d to %d of %d sequences by %d heads", lo, hi, sequences, a.Heads))
	}
	if lo == hi {
		return 0
	}
	for s := lo / a.Heads; s <= (hi-1)/a.Heads; s++ {
		first, end := int(a.Offsets[s]), int(a.Offsets[s+1])
		if first < 0 || first > end || end > a.Rows {
			panic(fmt.Sprintf("kernel: attention sequence %d is rows %d to %d of %d", s, first, end, a.Rows))
		}
		longest = max(longest, end-first)
	}
	return longest
}

// check does the same for the gradient's own slices too.
func (a *AttentionGrad) check(lo, hi int) (longest int) {
	if c := a.Heads * a.HeadDim; len(a.DOut) < a.Rows*c || len(a.DQKV) < a.Rows*3*c {
		panic(fmt.Sprintf("kernel: attention gradient of %d rows, %d heads of %d: dout has %d and dqkv %d elements",
			a.Rows, a.Heads, a.HeadDim, len(a.DOut), len(a.DQKV)))
	}
	return a.Attention.check(lo, hi)
}

// pair returns the first row, the length and the head of pair p = sequence·Heads + head.
func (a *Attention) pair(p int) (first, length, head int) {
	s := p / a.Heads
	first = int(a.Offsets[s])
	return first, int(a.Offsets[s+1]) - first, p - s*a.Heads
}

// scale is the factor on the scores, 1/√HeadDim.
func (a *Attention) scale() float32 {
	return float32(1 / math.Sqrt(float64(a.HeadDim)))
}

// checkScratch panics unless scratch has the length that an AttentionScratch asked for.
func checkScratch(scratch []float32, need int) {
	if len(scratch) < need {
		panic(fmt.Sprintf("kernel: attention needs scratch of %d floats, got %d", need, len(scratch)))
	}
}
