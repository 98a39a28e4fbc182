package kernel

import (
	"math"
	"testing"
)

// gemmBF16Tilings are the tilings of bfloat16 that this processor runs; gemm_amd64_test.go adds to them.
var gemmBF16Tilings = map[string]*gemmTiling{"go": &gemmTilingBF16Go}

// rounded returns x with its values rounded to bfloat16.
func rounded(x []float32) []float32 {
	r := make([]float32, len(x))
	for i, v := range x {
		r[i] = lower(uint32(toBF16(v)))
	}
	return r
}

// A product of bfloat16 is the float32 product of what the operands are rounded to, with all kinds of operands and edges of blocks.
func TestBF16GemmIsTheProductOfRoundedOperands(t *testing.T) {
	for name, tiling := range gemmBF16Tilings {
		t.Run(name, func(t *testing.T) {
			small := *tiling
			small.m, small.n, small.k = 2*tiling.rows+1, 2*tiling.cols, 38
			check := func(tiling *gemmTiling) func(c gemmCase) {
				return func(c gemmCase) { c.checkAgainst(t, tiling, gemmHeap, rounded) }
			}
			for _, s := range gemmSizes() {
				gemmVariants(s[0], s[1], s[2], check(tiling))
			}
			for _, s := range [][3]int{{70, 130, 95}, {29, 64, 77}} {
				gemmVariants(s[0], s[1], s[2], check(&small))
			}
		})
	}
}

func TestBF16GemmHasTheSameBitsEverywhere(t *testing.T) {
	for name, tiling := range gemmBF16Tilings {
		t.Run(name, func(t *testing.T) {
			for _, s := range [][3]int{{61, 97, 71}, {30, 40, 530}} {
				gemmVariants(s[0], s[1], s[2], func(c gemmCase) {
					var results [2][]float32
					for i, tiling := range []*gemmTiling{tiling, &gemmTilingBF16Go} {
						g, _ := c.build(gemmHeap)
						tiling.run(g, make([]float32, tiling.scratch(c.m, c.n, c.k)))
						results[i] = g.C
					}
					for i, x := range results[0] {
						if math.Float32bits(x) != math.Float32bits(results[1][i]) {
							t.Fatalf("%v: element %d is %v, in plain Go %v", c, i, x, results[1][i])
						}
					}
				})
			}
		})
	}
}

// Infinities and NaN of the operands reach the result; the largest numbers round to infinity, and the smallest to zero.
func TestBF16RoundsToNearestEven(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for x, want := range map[float32]float32{
		1: 1, 1 + 1.0/256: 1, 1 + 3.0/256: 1 + 4.0/256, 1 + 1.1/256: 1 + 2.0/256, -1 - 1.1/256: -1 - 2.0/256,
		math.MaxFloat32: inf, -inf: -inf, 0x1p-126: 0x1p-126, 0x1p-127: 0, nan: nan,
	} {
		for name, tiling := range gemmBF16Tilings {
			one, c := []float32{1}, []float32{0}
			g := &Gemm{M: 1, N: 1, K: 1, A: one, StrideA: 1, B: []float32{x}, StrideB: 1, C: c, StrideC: 1}
			tiling.run(g, make([]float32, tiling.scratch(1, 1, 1)))
			if c[0] != want && !(c[0] != c[0] && want != want) {
				t.Errorf("%s: 1·%g = %g, want %g", name, x, c[0], want)
			}
		}
	}
}

func TestBF16GemmAllocatesNothing(t *testing.T) {
	for name, tiling := range gemmBF16Tilings {
		g, _ := gemmCase{m: 30, n: 70, k: 21, transB: true, bias: true}.build(gemmHeap)
		scratch := make([]float32, tiling.scratch(g.M, g.N, g.K))
		if n := testing.AllocsPerRun(10, func() { tiling.run(g, scratch) }); n != 0 {
			t.Errorf("%s: %v allocations a product", name, n)
		}
	}
}
