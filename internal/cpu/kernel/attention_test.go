package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trainer/internal/ref"
)

// untouched fills what a kernel must leave as it is.
const untouched = 12345

// attentionCase is a batch: sequences of those lengths, with rows of no sequence in front of them and behind.
type attentionCase struct {
	heads, kvHeads, headDim int
	lengths                 []int
	spread                  float32 // standard deviation of the queries, keys and values
	around                  int     // rows of no sequence on either side
}

func (c attentionCase) String() string {
	return fmt.Sprintf("heads=%d/kvHeads=%d/headDim=%d/lengths=%v", c.heads, c.kvHeads, c.headDim, c.lengths)
}

// build returns the batch in slices of allocate. Rows of no sequence hold NaN where kernels read, untouched where they write.
func (c attentionCase) build(allocate gemmAlloc) *AttentionGrad {
	rng := rand.New(rand.NewPCG(1, 2))
	offsets := []int32{int32(c.around)}
	for _, n := range c.lengths {
		offsets = append(offsets, offsets[len(offsets)-1]+int32(n))
	}
	end := int(offsets[len(offsets)-1])
	rows, width, stride := end+c.around, c.heads*c.headDim, (c.heads+2*c.kvHeads)*c.headDim
	filled := func(n int, v float32) []float32 {
		x := allocate(n)
		for i := range x {
			x[i] = v
		}
		return x
	}
	random := func(rowWidth int, spread float32) []float32 {
		x := filled(rows*rowWidth, float32(math.NaN()))
		for i := c.around * rowWidth; i < end*rowWidth; i++ {
			x[i] = spread * float32(rng.NormFloat64())
		}
		return x
	}
	return &AttentionGrad{
		Attention: Attention{
			Rows: rows, Heads: c.heads, KVHeads: c.kvHeads, HeadDim: c.headDim, Offsets: offsets,
			QKV: random(stride, c.spread),
			Out: filled(rows*width, untouched),
			LSE: filled(rows*c.heads, untouched),
		},
		DOut: random(width, 1),
		DQKV: filled(rows*stride, untouched),
	}
}

// run computes the batch forward and backward in one call each.
func (c attentionCase) run(s *Set, allocate gemmAlloc) *AttentionGrad {
	a := c.build(allocate)
	scratch := attentionScratch(s, c, allocate)
	s.Attention(&a.Attention, 0, len(c.lengths)*c.heads, scratch)
	s.AttentionGrad(a, 0, len(c.lengths)*c.kvHeads, scratch)
	return a
}

func attentionScratch(s *Set, c attentionCase, allocate gemmAlloc) []float32 {
	return allocate(s.AttentionScratch(slices.Max(c.lengths), c.headDim))
}

// check runs the batch with s and compares the results with package ref, in float64.
func (c attentionCase) check(t *testing.T, s *Set, allocate gemmAlloc) {
	t.Helper()
	a := c.run(s, allocate)
	widen := func(x []float32) []float64 {
		w := make([]float64, len(x))
		for i, v := range x {
			w[i] = float64(v)
		}
		return w
	}
	qkv, out, lse, dqkv := widen(a.QKV), make([]float64, len(a.Out)), make([]float64, len(a.LSE)), make([]float64, len(a.QKV))
	ref.Attention(out, lse, qkv, a.Offsets, a.Rows, a.Heads, a.KVHeads, a.HeadDim)
	ref.AttentionGrad(dqkv, qkv, out, lse, widen(a.DOut), a.Offsets, a.Rows, a.Heads, a.KVHeads, a.HeadDim)

	end := int(a.Offsets[len(a.Offsets)-1])
	compare := func(what string, got []float32, want []float64, rows, columns, stride int) {
		t.Helper()
		var largest float64
		for _, v := range want {
			largest = max(largest, math.Abs(v))
		}
		for i := range rows * columns {
			row, at := i/columns, i/columns*stride+i%columns
			if row < c.around || row >= end {
				if got[at] != untouched {
					t.Fatalf("%s %v: %s row %d belongs to no sequence and was written", s.Name, c, what, row)
				}
				continue
			}
			// Rounding of scores counts by their size, which grows with the square of the spread.
			tolerance := 2e-6 * (1 + math.Abs(want[at]) + 0.1*largest) * float64(1+c.spread*c.spread)
			if diff := math.Abs(float64(got[at]) - want[at]); !(diff <= tolerance) {
				t.Fatalf("%s %v: %s row %d element %d is %v, want %v", s.Name, c, what, row, i%columns, got[at], want[at])
			}
		}
	}
	width := a.Heads * a.HeadDim
	compare("out", a.Out, out, a.Rows, width, width)
	for h := range a.Heads {
		compare("lse", a.LSE[h*a.Rows:], lse[h*a.Rows:], a.Rows, 1, 1)
	}
	compare("dqkv", a.DQKV, dqkv, a.Rows, a.stride(), a.stride())
}

func TestAttentionAndItsGradientMatchTheReference(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, heads := range []int{1, 2, 3, 4} {
			for _, headDim := range []int{1, 3, 8, 16, 20, 24, 32, 64} {
				c := attentionCase{heads, heads, headDim, []int{5, 1, 0, 12, 2, 15, 9, 8, 16, 17, 0, 31, 33}, 1, 2}
				if heads == 2 {
					c.lengths = append(c.lengths, 64, 100)
				}
				c.check(t, s, gemmHeap)
			}
		}
	})
}

func TestAttentionOfHeadsThatShareKeysAndValuesMatchesTheReference(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, heads := range [][2]int{{2, 1}, {4, 2}, {6, 2}, {5, 1}} {
			for _, headDim := range []int{1, 8, 16, 20, 64} {
				attentionCase{heads[0], heads[1], headDim, []int{5, 1, 0, 12, 16, 17, 40}, 1, 2}.check(t, s, gemmHeap)
			}
		}
	})
}

func TestAttentionOfSequencesFarApartInLengthMatchesTheReference(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		attentionCase{1, 1, 64, []int{300, 1, 0, 7}, 1, 0}.check(t, s, gemmHeap)
	})
}

// The standard deviation of a score is the square of the spread: 9 and 49, so that there are scores beyond 88, where exp overflows.
func TestAttentionOfLargeScoresStaysFinite(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, headDim := range []int{1, 8, 16} {
			for _, spread := range []float32{3, 7} {
				attentionCase{2, 2, headDim, []int{12, 7, 40, 3}, spread, 1}.check(t, s, gemmHeap)
			}
		}
	})
}

func TestAttentionOfAnySplitIntoPairsGivesTheSameBits(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, headDim := range []int{3, 16, 64} {
			c := attentionCase{4, 2, headDim, []int{5, 0, 12, 21, 7}, 1, 1}
			want := c.run(s, gemmHeap)
			pairs := len(c.lengths) * c.kvHeads
			for cut := range pairs + 1 {
				got := c.build(gemmHeap)
				for _, part := range [][2]int{{cut, pairs}, {0, cut}} {
					scratch := attentionScratch(s, c, gemmHeap)
					for i := range scratch {
						scratch[i] = float32(math.NaN())
					}
					s.Attention(&got.Attention, 2*part[0], 2*part[1], scratch)
					s.AttentionGrad(got, part[0], part[1], scratch)
				}
				if !slices.Equal(got.Out, want.Out) || !slices.Equal(got.LSE, want.LSE) || !slices.Equal(got.DQKV, want.DQKV) {
					t.Fatalf("%v cut at pair %d differs from the whole", c, cut)
				}
			}
		}
	})
}

// NaN in a query reaches its own output, NaN in a key or value that of its own query and of later ones, and no other.
func TestAttentionBringsNaNToTheOutputsThatDependOnIt(t *testing.T) {
	const at = 4 // of the sequence
	eachSet(t, func(t *testing.T, s *Set) {
		for _, c := range []attentionCase{{2, 2, 16, []int{3, 7, 6}, 1, 2}, {2, 2, 16, []int{3, 20, 6}, 1, 2}, {2, 2, 5, []int{3, 7, 6}, 1, 2}} {
			for section, what := range []string{"query", "key", "value"} {
				a := c.build(gemmHeap)
				width, first, end := c.heads*c.headDim, int(a.Offsets[1]), int(a.Offsets[2])
				a.QKV[(first+at)*3*width+section*width+c.headDim+2] = float32(math.NaN()) // head 1
				s.Attention(&a.Attention, 0, len(c.lengths)*c.heads, attentionScratch(s, c, gemmHeap))
				for row := range a.Rows {
					depends := row == first+at || section > 0 && row > first+at && row < end
					for head := range c.heads {
						got := a.Out[row*width+head*c.headDim+2]
						if isNaN := got != got; isNaN != (depends && head == 1) {
							t.Fatalf("%v: NaN in the %s of row %d: output of row %d, head %d is %v", c, what, first+at, row, head, got)
						}
					}
				}
			}
		}
	})
}

func TestAttentionAllocatesNothing(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		c := attentionCase{2, 2, 16, []int{5, 20}, 1, 2}
		a, scratch := c.build(gemmHeap), attentionScratch(s, c, gemmHeap)
		if n := testing.AllocsPerRun(10, func() {
			s.Attention(&a.Attention, 0, 4, scratch)
			s.AttentionGrad(a, 0, 4, scratch)
		}); n != 0 {
			t.Errorf("%v allocations, want none", n)
		}
	})
}

func TestAttentionRefusesSlicesThatAreTooShort(t *testing.T) {
	c := attentionCase{2, 2, 16, []int{5, 20}, 1, 2}
	breaks := map[string]func(a *AttentionGrad, scratch *[]float32){
		"qkv has 2783":   func(a *AttentionGrad, _ *[]float32) { a.QKV = a.QKV[:len(a.QKV)-1] },
		"out 927":        func(a *AttentionGrad, _ *[]float32) { a.Out = a.Out[:len(a.Out)-1] },
		"lse 57":         func(a *AttentionGrad, _ *[]float32) { a.LSE = a.LSE[:len(a.LSE)-1] },
		"dout has 927":   func(a *AttentionGrad, _ *[]float32) { a.DOut = a.DOut[:len(a.DOut)-1] },
		"dqkv 2783":      func(a *AttentionGrad, _ *[]float32) { a.DQKV = a.DQKV[:len(a.DQKV)-1] },
		"rows 7 to 31":   func(a *AttentionGrad, _ *[]float32) { a.Offsets[2] = 31 },
		"rows 7 to 6":    func(a *AttentionGrad, _ *[]float32) { a.Offsets[2] = 6 },
		"of 1 sequences": func(a *AttentionGrad, _ *[]float32) { a.Offsets = a.Offsets[:2] },
	}
	eachSet(t, func(t *testing.T, s *Set) {
		for want, spoil := range breaks {
			a, scratch := c.build(gemmHeap), attentionScratch(s, c, gemmHeap)
			spoil(a, &scratch)
			func() {
				defer func() {
					if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
						t.Errorf("panic is %q, want %q in it", got, want)
					}
				}()
				s.AttentionGrad(a, 0, 4, scratch)
			}()
		}
	})
}

// calculator is a step of a small model: 64 short sums, of 6.5 tokens in the mean.
func calculator() attentionCase {
	rng := rand.New(rand.NewPCG(3, 4))
	c := attentionCase{heads: 4, kvHeads: 4, headDim: 16, spread: 1}
	lengths := []int{5, 6, 6, 7, 5, 6, 8, 5, 7, 6, 12, 5}
	for range 64 {
		c.lengths = append(c.lengths, lengths[rng.IntN(len(lengths))])
	}
	return c
}

// BenchmarkAttention counts the arithmetic of the matrix products on and below the diagonal: two forward, five backward.
func BenchmarkAttention(b *testing.B) {
	for _, batch := range []struct {
		name string
		c    attentionCase
	}{
		{"calculator", calculator()},
		{"gpt2/length=256", attentionCase{12, 12, 64, []int{256}, 1, 2}},
		{"gpt2/length=1024", attentionCase{12, 12, 64, []int{1024}, 1, 0}},
	} {
		c := batch.c
		var dots float64
		for _, n := range c.lengths {
			dots += float64(c.heads*n*(n+1)) / 2
		}
		a, pairs := c.build(gemmHeap), len(c.lengths)*c.heads
		for _, s := range Sets() {
			scratch := attentionScratch(s, c, gemmHeap)
			s.Attention(&a.Attention, 0, pairs, scratch)
			for _, direction := range []struct {
				name     string
				products float64
				run      func()
			}{
				{"forward", 2, func() { s.Attention(&a.Attention, 0, pairs, scratch) }},
				{"backward", 5, func() { s.AttentionGrad(a, 0, pairs, scratch) }},
			} {
				b.Run(batch.name+"/"+s.Name+"/"+direction.name, func(b *testing.B) {
					for b.Loop() {
						direction.run()
					}
					flops := 2 * float64(c.headDim) * dots * direction.products * float64(b.N)
					b.ReportMetric(flops/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
				})
			}
		}
	}
}
