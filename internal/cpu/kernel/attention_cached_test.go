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

// cachedCase is a batch of sequences that go on from a cache: so many of their tokens are in it already, and so many rows are new.
type cachedCase struct {
	heads, kvHeads, headDim int
	before, rows            []int
}

// build returns the batch in slices of allocate, without a row or a place too many.
func (c cachedCase) build(allocate gemmAlloc) *CachedAttention {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		x := allocate(n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	a := &CachedAttention{Heads: c.heads, KVHeads: c.kvHeads, HeadDim: c.headDim, Offsets: []int32{0}}
	for s, before := range c.before {
		a.Starts, a.Lengths = append(a.Starts, int32(a.Places)), append(a.Lengths, int32(before+c.rows[s]))
		a.Places += before + c.rows[s]
		a.Rows += c.rows[s]
		a.Offsets = append(a.Offsets, int32(a.Rows))
	}
	a.QKV, a.Cache = random(a.Rows*a.stride()), random(2*c.kvHeads*a.Places*c.headDim)
	a.Out = allocate(a.Rows * c.heads * c.headDim)
	return a
}

func (c cachedCase) scratch(s *Set, a *CachedAttention, allocate gemmAlloc) []float32 {
	return allocate(s.CachedAttentionScratch(int(slices.Max(a.Lengths)), c.headDim, c.heads/c.kvHeads))
}

func (c cachedCase) check(t *testing.T, s *Set, allocate gemmAlloc) {
	t.Helper()
	a := c.build(allocate)
	s.CachedAttention(a, 0, len(c.before)*c.heads, c.scratch(s, a, allocate))
	want := make([]float32, len(a.Out))
	ref.CachedAttention(want, a.QKV, a.Cache, a.Offsets, a.Starts, a.Lengths, a.Rows, c.heads, c.kvHeads, c.headDim, a.Places)
	for i := range want {
		if d := math.Abs(float64(a.Out[i] - want[i])); !(d <= 4e-6) {
			t.Fatalf("%s %+v: element %d is %v, want %v", s.Name, c, i, a.Out[i], want[i])
		}
	}
}

func TestCachedAttentionMatchesTheReference(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, heads := range [][2]int{{1, 1}, {3, 3}, {4, 2}, {5, 1}} {
			for _, headDim := range []int{1, 3, 8, 16, 20, 24, 40, 64, 72, 128} {
				cachedCase{heads[0], heads[1], headDim, []int{0, 1, 2, 3, 4, 5, 15, 16, 17, 100}, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}.check(t, s, gemmHeap)
				cachedCase{heads[0], heads[1], headDim, []int{0, 7, 33, 2, 0}, []int{5, 0, 19, 2, 40}}.check(t, s, gemmHeap)
			}
		}
	})
}

func TestCachedAttentionOfAnySplitIntoPairsGivesTheSameBits(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		c := cachedCase{4, 2, 24, []int{3, 0, 40}, []int{1, 9, 1}}
		want := c.build(gemmHeap)
		s.CachedAttention(want, 0, 12, c.scratch(s, want, gemmHeap))
		for cut := range 13 {
			got := c.build(gemmHeap)
			for _, part := range [][2]int{{cut, 12}, {0, cut}} {
				scratch := c.scratch(s, got, gemmHeap)
				for i := range scratch {
					scratch[i] = float32(math.NaN())
				}
				s.CachedAttention(got, part[0], part[1], scratch)
			}
			if !slices.Equal(got.Out, want.Out) {
				t.Fatalf("cut at pair %d differs from the whole", cut)
			}
		}
	})
}

func TestCachedAttentionAllocatesNothing(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		c := cachedCase{2, 1, 16, []int{30, 0}, []int{1, 20}}
		a := c.build(gemmHeap)
		scratch := c.scratch(s, a, gemmHeap)
		if n := testing.AllocsPerRun(10, func() { s.CachedAttention(a, 0, 4, scratch) }); n != 0 {
			t.Errorf("%v allocations, want none", n)
		}
	})
}

func TestCachedAttentionRefusesSlicesThatAreTooShort(t *testing.T) {
	breaks := map[string]func(a *CachedAttention){
		"qkv has 1343":                      func(a *CachedAttention) { a.QKV = a.QKV[:len(a.QKV)-1] },
		"cache 1631":                        func(a *CachedAttention) { a.Cache = a.Cache[:len(a.Cache)-1] },
		"out 671 elements":                  func(a *CachedAttention) { a.Out = a.Out[:len(a.Out)-1] },
		"1 lengths":                         func(a *CachedAttention) { a.Lengths = a.Lengths[:1] },
		"20 places from 32 of 51":           func(a *CachedAttention) { a.Starts[1] = 32 },
		"rows 1 to 22 of 21":                func(a *CachedAttention) { a.Offsets[2] = 22 },
		"rows 1 to 21 of 21, and 19 places": func(a *CachedAttention) { a.Lengths[1] = 19 },
	}
	eachSet(t, func(t *testing.T, s *Set) {
		for want, spoil := range breaks {
			c := cachedCase{2, 1, 16, []int{30, 0}, []int{1, 20}}
			a := c.build(gemmHeap)
			scratch := c.scratch(s, a, gemmHeap)
			spoil(a)
			func() {
				defer func() {
					if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
						t.Errorf("panic is %q, want %q in it", got, want)
					}
				}()
				s.CachedAttention(a, 0, 4, scratch)
			}()
		}
	})
}

// BenchmarkCachedAttention is a token of GPT-2's behind 512 others, and counts the bytes of their keys and values, which it reads once.
func BenchmarkCachedAttention(b *testing.B) {
	for _, c := range []cachedCase{{12, 12, 64, []int{511}, []int{1}}, {16, 4, 128, []int{511}, []int{1}}} {
		a := c.build(gemmHeap)
		for _, s := range Sets() {
			scratch := c.scratch(s, a, gemmHeap)
			b.Run(fmt.Sprintf("%d heads of %d, %d of keys/%s", c.heads, c.headDim, c.kvHeads, s.Name), func(b *testing.B) {
				b.SetBytes(int64(4 * len(a.Cache)))
				for b.Loop() {
					s.CachedAttention(a, 0, c.heads, scratch)
				}
			})
		}
	}
}
