package kernel

import (
	"fmt"
	"math"
)

// check panics unless the slices have the lengths that the shape asks for, 0 ≤ lo ≤ hi ≤ pairs of a sequence and one of `heads` heads,
// and the sequences of those pairs lie inside the rows. It returns the longest of these sequences.
func (a *Attention) check(lo, hi, heads int) (longest int) {
	if a.KVHeads < 1 || a.Heads < 1 || a.Heads%a.KVHeads != 0 || a.HeadDim < 1 || len(a.Offsets) < 1 ||
		len(a.QKV) < a.Rows*a.stride() || len(a.Out) < a.Rows*a.width() || len(a.LSE) < a.Rows*a.Heads {
		panic(fmt.Sprintf("kernel: attention of %d rows, %d heads of %d, %d of keys and values: qkv has %d, out %d, lse %d and offsets %d elements",
			a.Rows, a.Heads, a.HeadDim, a.KVHeads, len(a.QKV), len(a.Out), len(a.LSE), len(a.Offsets)))
	}
	if sequences := len(a.Offsets) - 1; lo < 0 || lo > hi || hi > sequences*heads {
		panic(fmt.Sprintf("kernel: attention pairs %d to %d of %d sequences by %d heads", lo, hi, sequences, heads))
	}
	if lo == hi {
		return 0
	}
	for s := lo / heads; s <= (hi-1)/heads; s++ {
		first, end := int(a.Offsets[s]), int(a.Offsets[s+1])
		if first < 0 || first > end || end > a.Rows {
			panic(fmt.Sprintf("kernel: attention sequence %d is rows %d to %d of %d", s, first, end, a.Rows))
		}
		longest = max(longest, end-first)
	}
	return longest
}

// check does the same for the gradient's own slices too, and for its pairs.
func (a *AttentionGrad) check(lo, hi int) (longest int) {
	if len(a.DOut) < a.Rows*a.width() || len(a.DQKV) < a.Rows*a.stride() {
		panic(fmt.Sprintf("kernel: attention gradient of %d rows, %d heads of %d, %d of keys and values: dout has %d and dqkv %d elements",
			a.Rows, a.Heads, a.HeadDim, a.KVHeads, len(a.DOut), len(a.DQKV)))
	}
	return a.Attention.check(lo, hi, a.KVHeads)
}

// width is the number of columns of out, stride that of qkv.
func (a *Attention) width() int  { return a.Heads * a.HeadDim }
func (a *Attention) stride() int { return (a.Heads + 2*a.KVHeads) * a.HeadDim }

// group is the number of neighbouring heads of queries that share keys and values.
func (a *Attention) group() int { return a.Heads / a.KVHeads }

// shared returns how many columns lie between the query of a head and the key, and the value, that it shares.
func (a *Attention) shared(head int) (key, value int) {
	key = (a.Heads + head/a.group() - head) * a.HeadDim
	return key, key + a.KVHeads*a.HeadDim
}

// pair returns the first row, the length and the head of pair p = sequence·heads + head.
func (a *Attention) pair(p, heads int) (first, length, head int) {
	s := p / heads
	first = int(a.Offsets[s])
	return first, int(a.Offsets[s+1]) - first, p - s*heads
}

// head is one head of neighbouring queries of a sequence with all that they see: what every kind of attention comes down to.
type head struct {
	out, q                            []float32 // from the head's columns in the row of the first query on
	k, v                              []float32 // from the head's columns in the row of the sequence's first token on
	lse                               []float32 // [queries], or nil where nobody asks for it
	width, qStride, kvStride, headDim int       // distances between rows of out, q, and k and v
	first, queries                    int       // the index of the first query in its sequence, and their number
}

// head returns head h of queries of the sequence of `length` rows from `first` on, at least one.
func (a *Attention) head(first, length, h int) head {
	key, value := a.shared(h)
	q := first*a.stride() + h*a.HeadDim
	return head{
		out: a.Out[first*a.width()+h*a.HeadDim:], lse: a.LSE[h*a.Rows+first:][:length],
		q: a.QKV[q:], k: a.QKV[q+key:], v: a.QKV[q+value:],
		width: a.width(), qStride: a.stride(), kvStride: a.stride(), headDim: a.HeadDim, queries: length,
	}
}

// attentionScale is the factor on the scores, 1/√headDim.
func attentionScale(headDim int) float32 {
	return float32(1 / math.Sqrt(float64(headDim)))
}

// checkScratch panics unless scratch has the length that an AttentionScratch asked for.
func checkScratch(scratch []float32, need int) {
	if len(scratch) < need {
		panic(fmt.Sprintf("kernel: attention needs scratch of %d floats, got %d", need, len(scratch)))
	}
}
