package kernel

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"trainer/internal/ref"
)

// gemmTilings are the tilings that this processor runs; gemm_amd64_test.go adds to them.
var gemmTilings = map[string]*gemmTiling{"go": &gemmTilingGo}

// gemmCase is a product; pad widens the rows of every matrix beyond their width.
type gemmCase struct {
	m, n, k, pad                     int
	transA, transB, bias, accumulate bool
}

func (c gemmCase) String() string {
	return fmt.Sprintf("m=%d n=%d k=%d pad=%d transA=%v transB=%v bias=%v accumulate=%v",
		c.m, c.n, c.k, c.pad, c.transA, c.transB, c.bias, c.accumulate)
}

// gemmAlloc makes the slices of a case; a test may have them end at a page that cannot be read.
type gemmAlloc func(n int) []float32

func gemmHeap(n int) []float32 { return make([]float32, n) }

// gemmOutside is what the test writes around the matrices: a kernel that reads it returns NaN, one that writes it is seen.
var gemmOutside = float32(math.NaN())

// matrix returns a random matrix [rows, cols] dense, and stored with pad floats between its rows.
func gemmMatrix(r *rand.Rand, allocate gemmAlloc, rows, cols, pad int) (dense, stored []float32, stride int) {
	stride = cols + pad
	dense = make([]float32, rows*cols)
	if rows > 0 && cols > 0 {
		stored = allocate((rows-1)*stride + cols)
	}
	for i := range stored {
		if stored[i] = gemmOutside; i%stride < cols {
			stored[i] = r.Float32()*2 - 1
			dense[i/stride*cols+i%stride] = stored[i]
		}
	}
	return dense, stored, stride
}

// build returns the product of a case and the C that package ref computes for it, dense.
func (c gemmCase) build(allocate gemmAlloc) (g *Gemm, want []float32) {
	return c.buildWith(allocate, func(x []float32) []float32 { return x })
}

// buildWith is build, where the C that is wanted is computed from operands that round has changed.
func (c gemmCase) buildWith(allocate gemmAlloc, round func([]float32) []float32) (g *Gemm, want []float32) {
	r := rand.New(rand.NewPCG(uint64(c.m)<<32|uint64(c.n), uint64(c.k)))
	g = &Gemm{M: c.m, N: c.n, K: c.k, TransA: c.transA, TransB: c.transB, Accumulate: c.accumulate}
	shape := func(rows, cols int, transposed bool) (int, int) {
		if transposed {
			return cols, rows
		}
		return rows, cols
	}
	aRows, aCols := shape(c.m, c.k, c.transA)
	bRows, bCols := shape(c.k, c.n, c.transB)
	var a, b, before, bias []float32
	a, g.A, g.StrideA = gemmMatrix(r, allocate, aRows, aCols, c.pad)
	b, g.B, g.StrideB = gemmMatrix(r, allocate, bRows, bCols, c.pad)
	before, g.C, g.StrideC = gemmMatrix(r, allocate, c.m, c.n, c.pad)
	if c.bias {
		bias, g.Bias, _ = gemmMatrix(r, allocate, 1, c.n, 0)
	}
	want = make([]float32, c.m*c.n)
	ref.MatMul(want, round(a), round(b), bias, c.m, c.n, c.k, c.transA, c.transB)
	if c.accumulate {
		ref.Add(want, want, before)
	}
	return g, want
}

// check runs a case and compares C with package ref, and what lies between the rows of C with what lay there.
func (c gemmCase) check(t *testing.T, tiling *gemmTiling, allocate gemmAlloc) {
	t.Helper()
	c.checkAgainst(t, tiling, allocate, func(x []float32) []float32 { return x })
}

// checkAgainst is check of a kernel that rounds its operands.
func (c gemmCase) checkAgainst(t *testing.T, tiling *gemmTiling, allocate gemmAlloc, round func([]float32) []float32) {
	t.Helper()
	g, want := c.buildWith(allocate, round)
	scratch := allocate(tiling.scratch(c.m, c.n, c.k))
	for i := range scratch {
		scratch[i] = gemmOutside
	}
	tiling.run(g, scratch)
	c.compare(t, g, want)
}

// compare holds C against what is wanted, dense, and what lies between its rows against what lay there.
func (c gemmCase) compare(t *testing.T, g *Gemm, want []float32) {
	t.Helper()
	// Each of k roundings is off by 2⁻²⁵ of a partial sum of about √k, and they add up as a random walk: 2⁻²⁵·k. Twice that, and a
	// few roundings for short sums, leaves room for the worst element.
	tolerance := 0x1p-24 * float64(8+c.k)
	for i, got := range g.C {
		row, col := i/g.StrideC, i%g.StrideC
		if col >= c.n {
			if !math.IsNaN(float64(got)) {
				t.Fatalf("%v: wrote %v between the rows of C, row %d column %d", c, got, row, col)
			}
			continue
		}
		if d := math.Abs(float64(got) - float64(want[row*c.n+col])); !(d <= tolerance) {
			t.Fatalf("%v: C[%d, %d] = %v, want %v: apart by %.2g, more than %.2g", c, row, col, got, want[row*c.n+col], d, tolerance)
		}
	}
}

// variants calls f for every combination of the options of a product of one size.
func gemmVariants(m, n, k int, f func(gemmCase)) {
	for bits := range 32 {
		on := func(bit int) bool { return bits>>bit&1 == 1 }
		c := gemmCase{m: m, n: n, k: k, transA: on(0), transB: on(1), bias: on(2), accumulate: on(3)}
		if on(4) {
			c.pad = 3
		}
		f(c)
	}
}

// gemmSizes covers every height of a register tile, every width of its last column vector, and the edges of blocks.
func gemmSizes() (sizes [][3]int) {
	for m := range 16 {
		sizes = append(sizes, [3]int{m, 37, 5})
	}
	for n := range 50 {
		sizes = append(sizes, [3]int{5, n, 3})
	}
	for _, k := range []int{0, 1, 2, 7, 15, 16, 17, 31, 33, 64, 257} {
		sizes = append(sizes, [3]int{9, 33, k})
	}
	for m := 1; m <= 7; m++ { // wide tiles of few rows, and what is left beside them
		sizes = append(sizes, [3]int{m, 128, 9}, [3]int{m, 299, 17}, [3]int{m, 600, 20})
	}
	for m := 1; m <= fewRows+1; m++ { // a transposed B that is read in place, and columns left beside it
		sizes = append(sizes, [3]int{m, 16, 16}, [3]int{m, 55, 48}, [3]int{m, 33, 512})
	}
	return append(sizes, [3]int{1, 1, 1}, [3]int{29, 64, 19}, [3]int{61, 97, 71})
}

func TestGemmMatchesReference(t *testing.T) {
	for name, tiling := range gemmTilings {
		t.Run(name, func(t *testing.T) {
			for _, s := range gemmSizes() {
				gemmVariants(s[0], s[1], s[2], func(c gemmCase) { c.check(t, tiling, gemmHeap) })
			}
		})
	}
}

// With blocks of a few rows and columns, small products have several blocks in each direction.
func TestGemmMatchesReferenceOverManyBlocks(t *testing.T) {
	for name, tiling := range gemmTilings {
		t.Run(name, func(t *testing.T) {
			small := *tiling
			small.m, small.n, small.k = 2*tiling.rows+1, 2*tiling.cols, 20
			for _, s := range [][3]int{{70, 130, 50}, {29, 64, 21}, {28, 65, 40}} {
				gemmVariants(s[0], s[1], s[2], func(c gemmCase) { c.check(t, &small, gemmHeap) })
			}
		})
	}
}

// Blocks are copied only where a matrix is large (see packs); here A's rows are far apart and B is beyond the second-level cache.
func TestGemmMatchesReferenceWithCopiedBlocks(t *testing.T) {
	for name, tiling := range gemmTilings {
		t.Run(name, func(t *testing.T) {
			for _, transA := range []bool{false, true} {
				c := gemmCase{m: 130, n: 521, k: 261, pad: 509, transA: transA, bias: true, accumulate: true}
				g, _ := c.build(gemmHeap)
				if a, b := tiling.packs(g); !a || !b {
					t.Fatalf("%v copies A: %v, and B: %v; the case has to be larger", c, a, b)
				}
				c.check(t, tiling, gemmHeap)
			}
		})
	}
}

func TestGemmIgnoresWhatWasInScratch(t *testing.T) {
	for name, tiling := range gemmTilings {
		t.Run(name, func(t *testing.T) {
			gemmVariants(23, 45, 67, func(c gemmCase) {
				var results [2][]float32
				for i, garbage := range []float32{gemmOutside, 1e30} {
					g, _ := c.build(gemmHeap)
					scratch := make([]float32, tiling.scratch(c.m, c.n, c.k)+i)[i:]
					for j := range scratch {
						scratch[j] = garbage
					}
					tiling.run(g, scratch)
					results[i] = g.C
				}
				for i, x := range results[0] {
					if math.Float32bits(x) != math.Float32bits(results[1][i]) {
						t.Fatalf("%v: C[%d] is %v or %v, as scratch is", c, i, x, results[1][i])
					}
				}
			})
		})
	}
}

// A row of C has the same bits whether it is computed alone, by a few or among others, so cutting a batch does not change a result.
func TestGemmRowsDoNotDependOnTheirNeighbours(t *testing.T) {
	for name, tiling := range gemmTilings {
		for _, c := range []gemmCase{{m: 31, n: 245, k: 300}, {m: 31, n: 245, k: 320, transB: true, bias: true, accumulate: true}} {
			t.Run(fmt.Sprintf("%s/%v", name, c), func(t *testing.T) {
				whole, _ := c.build(gemmHeap)
				before := slices.Clone(whole.C)
				scratch := make([]float32, tiling.scratch(c.m, c.n, c.k))
				tiling.run(whole, scratch)
				for _, rows := range []int{1, 2, 5, fewRows} {
					for i := 0; i+rows <= c.m; i += rows {
						part := *whole
						part.M, part.A, part.C = rows, whole.A[i*whole.StrideA:], slices.Clone(before[i*whole.StrideC:][:rows*whole.StrideC])
						tiling.run(&part, scratch)
						for j, x := range part.C {
							if want := whole.C[i*whole.StrideC+j]; x != want {
								t.Fatalf("C[%d, %d] is %v among %d rows and %v among %d", i+j/c.n, j%c.n, x, rows, want, c.m)
							}
						}
					}
				}
			})
		}
	}
}

func TestGemmAllocatesNothing(t *testing.T) {
	for name, tiling := range gemmTilings {
		g, _ := gemmCase{m: 30, n: 70, k: 20, transB: true, bias: true}.build(gemmHeap)
		scratch := make([]float32, tiling.scratch(g.M, g.N, g.K))
		if n := testing.AllocsPerRun(10, func() { tiling.run(g, scratch) }); n != 0 {
			t.Errorf("%s: %v allocations a product", name, n)
		}
	}
}

func TestGemmPanicsOnShortSlices(t *testing.T) {
	short := map[string]func(g *Gemm){
		"A":       func(g *Gemm) { g.A = g.A[1:] },
		"B":       func(g *Gemm) { g.B = g.B[1:] },
		"C":       func(g *Gemm) { g.C = g.C[1:] },
		"bias":    func(g *Gemm) { g.Bias = g.Bias[1:] },
		"strideA": func(g *Gemm) { g.StrideA-- },
		"strideB": func(g *Gemm) { g.StrideB-- },
		"strideC": func(g *Gemm) { g.StrideC-- },
		"M":       func(g *Gemm) { g.M = -1 },
	}
	for name, tiling := range gemmTilings {
		scratch := make([]float32, tiling.scratch(7, 8, 9))
		for what, shorten := range short {
			g, _ := gemmCase{m: 7, n: 8, k: 9, bias: true}.build(gemmHeap)
			shorten(g)
			if !gemmPanics(func() { tiling.run(g, scratch) }) {
				t.Errorf("%s: no panic for a short %s", name, what)
			}
		}
		g, _ := gemmCase{m: 7, n: 8, k: 9}.build(gemmHeap)
		if !gemmPanics(func() { tiling.run(g, scratch[1:]) }) {
			t.Errorf("%s: no panic for a short scratch", name)
		}
	}
}

func gemmPanics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// BenchmarkGemm times the products of a step of the calculator (a few hundred tokens, width 64) and of GPT-2.
func BenchmarkGemm(b *testing.B) {
	var cases []gemmCase
	for _, rows := range []int{100, 300, 900} {
		for _, s := range [][2]int{{192, 64}, {64, 64}, {256, 64}, {64, 256}} {
			out, in := s[0], s[1]
			cases = append(cases,
				gemmCase{m: rows, n: out, k: in, bias: true},                     // y = x·W + b
				gemmCase{m: rows, n: in, k: out, transB: true},                   // dx = dy·Wᵀ
				gemmCase{m: in, n: out, k: rows, transA: true, accumulate: true}) // dW += xᵀ·dy
		}
		cases = append(cases,
			gemmCase{m: rows, n: 35, k: 64, transB: true}, // the head
			gemmCase{m: rows, n: 64, k: 35},
			gemmCase{m: 35, n: 64, k: rows, transA: true, accumulate: true})
	}
	cases = append(cases,
		gemmCase{m: 256, n: 768, k: 3072}, gemmCase{m: 256, n: 3072, k: 768}, gemmCase{m: 768, n: 3072, k: 256, transA: true},
		gemmCase{m: 256, n: 768, k: 3072, transB: true}, gemmCase{m: 256, n: 50257, k: 768, transB: true},
		gemmCase{m: 1024, n: 1024, k: 1024}, gemmCase{m: 1, n: 3072, k: 768}, gemmCase{m: 1, n: 50257, k: 768, transB: true})
	tilings := maps.Clone(gemmTilings)
	for name, tiling := range gemmBF16Tilings {
		tilings["bf16 "+name] = tiling
	}
	for name, tiling := range tilings {
		for _, c := range cases {
			b.Run(fmt.Sprintf("%s/%dx%dx%d/%v%v", name, c.m, c.n, c.k, c.transA, c.transB), func(b *testing.B) {
				g := &Gemm{M: c.m, N: c.n, K: c.k, TransA: c.transA, TransB: c.transB, Accumulate: c.accumulate}
				g.A, g.StrideA = make([]float32, c.m*c.k), c.k
				g.B, g.StrideB = make([]float32, c.k*c.n), c.n
				g.C, g.StrideC = make([]float32, c.m*c.n), c.n
				for _, matrix := range [][]float32{g.A, g.B, g.C} { // untouched pages are all one page of zeros, in the cache
					for i := range matrix {
						matrix[i] = float32(i%7) - 3
					}
				}
				if c.transA {
					g.StrideA = c.m
				}
				if c.transB {
					g.StrideB = c.k
				}
				if c.bias {
					g.Bias = make([]float32, c.n)
				}
				scratch := make([]float32, tiling.scratch(c.m, c.n, c.k))
				for b.Loop() {
					tiling.run(g, scratch)
				}
				flops := 2 * float64(c.m) * float64(c.n) * float64(c.k)
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
