package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"trainer/internal/ref"
)

var weightTypes = []WeightType{BF16, Int8}

// weightsCase is a product whose B becomes Weights.
type weightsCase struct {
	gemmCase
	kind WeightType
}

// build returns the product, and the weights that the packed ones stand for, dense [K, N].
func (c weightsCase) build(allocate gemmAlloc) (g *Gemm, wide []float32) {
	g, _ = c.gemmCase.build(allocate)
	b := make([]float32, c.k*c.n)
	rows, cols := c.k, c.n
	if c.transB {
		rows, cols = cols, rows
	}
	for i := range rows {
		copy(b[i*cols:(i+1)*cols], g.B[i*g.StrideB:])
	}
	g.B, g.Weights = nil, NewWeights(c.kind, c.k, c.n)
	g.Weights.panels = allocateBytes(allocate, len(g.Weights.panels))
	g.Weights.scales = allocate(len(g.Weights.scales))
	g.Weights.Pack(b, c.transB, 0, g.Weights.Panels())
	return g, widened(g.Weights)
}

func allocateBytes(allocate gemmAlloc, n int) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(allocate(n/4)))), n)
}

// widened returns the matrix [K, N] that weights stand for.
func widened(w *Weights) []float32 {
	wide := make([]float32, w.K*w.N)
	for j := 0; j < w.N; j += WeightPanel {
		for k := range w.K {
			var row [WeightPanel]float32
			rows, scales := w.panel(j, k/weightBlock*weightBlock)
			w.widenGo(&row, rows[k%weightBlock*w.rowBytes():], scales)
			copy(wide[k*w.N+j:(k+1)*w.N], row[:])
		}
	}
	return wide
}

// check compares the product with that of package ref with the weights that the packed ones stand for.
func (c weightsCase) check(t *testing.T, tiling *gemmTiling, allocate gemmAlloc) {
	t.Helper()
	g, wide := c.build(allocate)
	a, want := make([]float32, c.m*c.k), make([]float32, c.m*c.n)
	for i := range c.m {
		copy(a[i*c.k:(i+1)*c.k], g.A[min(i*g.StrideA, len(g.A)):])
	}
	ref.MatMul(want, a, wide, g.Bias, c.m, c.n, c.k, false, false)
	scratch := allocate(tiling.scratch(c.m, c.n, c.k))
	for i := range scratch {
		scratch[i] = gemmOutside
	}
	tiling.run(g, scratch)
	c.compare(t, g, want)
}

func TestWeightsProductMatchesReference(t *testing.T) {
	var sizes [][3]int
	for m := 1; m <= fewRows+2; m++ {
		sizes = append(sizes, [3]int{m, 70, 67})
	}
	for _, n := range []int{1, 31, 33, 63, 64, 65, 128, 150} {
		sizes = append(sizes, [3]int{3, n, 5}, [3]int{fewRows + 3, n, 5})
	}
	for _, k := range []int{0, 1, 2, 127, 128, 129, 256, 257, 600} {
		sizes = append(sizes, [3]int{2, 70, k}, [3]int{fewRows + 5, 70, k})
	}
	for name, tiling := range gemmTilings {
		for _, kind := range weightTypes {
			t.Run(fmt.Sprint(name, kind), func(t *testing.T) {
				for _, s := range sizes {
					for _, trans := range []bool{false, true} {
						c := gemmCase{m: s[0], n: s[1], k: s[2], transB: trans, bias: s[1]%2 == 0, pad: s[2] % 3}
						weightsCase{c, kind}.check(t, tiling, gemmHeap)
					}
				}
			})
		}
	}
}

// What a prompt leads to does not depend on how many are read together, or on where a program cuts a product for its threads.
func TestWeightsProductHasTheSameBitsForFewRowsAndMany(t *testing.T) {
	for name, tiling := range gemmTilings {
		for _, kind := range weightTypes {
			t.Run(fmt.Sprint(name, kind), func(t *testing.T) {
				whole, _ := weightsCase{gemmCase{m: 20, n: 150, k: 600, bias: true}, kind}.build(gemmHeap)
				scratch := make([]float32, tiling.scratch(20, 150, 600))
				tiling.run(whole, scratch)
				for rows := 1; rows <= fewRows+1; rows++ {
					for _, columns := range [][2]int{{0, 150}, {64, 128}, {128, 150}} {
						part := *whole
						part.M, part.N = rows, columns[1]-columns[0]
						part.Weights, part.Bias = whole.Weights.Columns(columns[0], columns[1]), whole.Bias[columns[0]:]
						part.C, part.StrideC = make([]float32, part.M*part.N), part.N
						tiling.run(&part, scratch)
						for i := range rows {
							if want := whole.C[i*whole.StrideC:][columns[0]:columns[1]]; !slices.Equal(part.C[i*part.N:][:part.N], want) {
								t.Fatalf("row %d, columns %v: %v among %d rows, %v among 20", i, columns, part.C[i*part.N:][:part.N], rows, want)
							}
						}
					}
				}
			})
		}
	}
}

// The nearest bfloat16 is at most 2⁻⁸ of a number away, the nearest integer half a step of a 127th of the largest in its block; both but for the
// rounding of what is computed with.
func TestWeightsAreTheNearestThatTheirBitsCanSay(t *testing.T) {
	const n, k = 70, 150
	r, b := rand.New(rand.NewPCG(1, 2)), make([]float32, n*k)
	for i := range b {
		b[i] = float32(r.NormFloat64())
	}
	for _, kind := range weightTypes {
		w := NewWeights(kind, k, n)
		w.Pack(b, false, 0, 1)
		w.Pack(b, false, 1, w.Panels())
		wide, exact := widened(w), 0
		for i, x := range b {
			limit := math.Abs(float64(x)) / 256
			if kind == Int8 {
				first := i / n / weightBlock * weightBlock
				var largest float64
				for p := first; p < min(first+weightBlock, k); p++ {
					largest = max(largest, math.Abs(float64(b[p*n+i%n])))
				}
				limit = largest / 127 / 2
			}
			if d := math.Abs(float64(x) - float64(wide[i])); d > limit*(1+1e-5) {
				t.Fatalf("type %v: %v became %v, further away than %v", kind, x, wide[i], limit)
			} else if d > limit/2 {
				exact++
			}
		}
		if exact == 0 {
			t.Errorf("type %v: no weight is half as far away as it may be: the bound means nothing", kind)
		}
	}
}

func TestWeightsThatAreNotFiniteMakeProductsThatAreNot(t *testing.T) {
	for name, tiling := range gemmTilings {
		for _, kind := range weightTypes {
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				g, _ := weightsCase{gemmCase{m: 1, n: 70, k: 100}, kind}.build(gemmHeap)
				b := make([]float32, 7000)
				b[99*70+69] = float32(bad)
				g.Weights.Pack(b, false, 0, 2)
				tiling.run(g, make([]float32, tiling.scratch(1, 70, 100)))
				if got := float64(g.C[69]); !math.IsNaN(got) && !math.IsInf(got, 0) {
					t.Errorf("%s, type %v: a weight %v gives %v", name, kind, bad, got)
				}
			}
		}
	}
}

// A GPT-2 has 124 million weights of which little else is in memory.
func TestWeightsTakeTheMemoryTheySay(t *testing.T) {
	for kind, want := range map[WeightType]int{BF16: 2 * 128 * 256, Int8: 128*256 + 4*128*256/weightBlock} {
		if got := NewWeights(kind, 128, 256).Bytes(); got != want {
			t.Errorf("type %v: %d bytes for [128, 256], want %d", kind, got, want)
		}
	}
}

func TestWeightsProductAllocatesNothing(t *testing.T) {
	for name, tiling := range gemmTilings {
		for _, m := range []int{3, 20} {
			g, _ := weightsCase{gemmCase{m: m, n: 70, k: 20, bias: true}, Int8}.build(gemmHeap)
			scratch := make([]float32, tiling.scratch(g.M, g.N, g.K))
			if n := testing.AllocsPerRun(10, func() { tiling.run(g, scratch) }); n != 0 {
				t.Errorf("%s: %v allocations a product of %d rows", name, n, m)
			}
		}
	}
}

func TestWeightsRefuseWhatTheyDoNotFit(t *testing.T) {
	wrong := map[string]func(g *Gemm){
		"accumulate": func(g *Gemm) { g.Accumulate = true },
		"transA":     func(g *Gemm) { g.TransA, g.M, g.K = true, g.K, g.M },
		"N":          func(g *Gemm) { g.N-- },
		"K":          func(g *Gemm) { g.K-- },
		"bfloat16":   func(g *Gemm) { gemmBF16Go(g, make([]float32, 1<<16)) },
		"columns":    func(g *Gemm) { g.Weights.Columns(1, 8) },
		"pack":       func(g *Gemm) { g.Weights.Pack(make([]float32, 5), false, 0, 1) },
	}
	for what, spoil := range wrong {
		g, _ := weightsCase{gemmCase{m: 7, n: 8, k: 9}, BF16}.build(gemmHeap)
		if !gemmPanics(func() { spoil(g); gemmGo(g, make([]float32, 1<<16)) }) {
			t.Errorf("no panic for a wrong %s", what)
		}
	}
}
