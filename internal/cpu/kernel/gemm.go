package kernel

import (
	"fmt"
	"unsafe"
)

// The product is blocked as in Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): C is cut
// into tiles that fit the vector registers, and the loops around a tile into blocks of A that fit the second-level cache and
// panels of B that fit the first. The walk over the blocks is here and the same for every instruction set; what differs is the
// tile kernel and the sizes, a gemmTiling.
//
// Every element of C is one chain of multiply-adds over k inside a block of K, and one addition a block. The cut of M and N,
// the packing and the neighbours do not change its bits.

// gemmISA names the instruction set of a tile kernel.
type gemmISA int

const (
	gemmISAGo gemmISA = iota
	gemmISAAVX2
	gemmISAAVX512
	gemmISAGoBF16
	gemmISAAVX512BF16
)

// gemmTiling is how an instruction set cuts a product.
type gemmTiling struct {
	isa        gemmISA
	rows, cols int // of C in a register tile, at most
	m, n, k    int // in a block, at most: A's block is [m, k], B's [k, n]; n is a multiple of cols, k is even
	few        []gemmFew
	transposed gemmTransposed
	weightRows int  // rows of A in a tile that reads packed weights, at most
	bf16       bool // operands are rounded to bfloat16; see gemm_bf16.go
}

// gemmFew are tiles of more columns and fewer rows than others, which read B in longer pieces, where it is read in place: with so few rows
// it streams from memory. height is that of the tallest of them; a product of twice as many rows reads a piece again from the cache.
type gemmFew struct{ rows, cols, height int }

// width returns the number of columns of the next tile of m rows, and how many rows a tile may have, where B is read in place and n columns are left.
func (t *gemmTiling) width(m, n int) (cols, height int) {
	for _, few := range t.few {
		if m <= few.rows && n >= few.cols {
			return few.cols, few.height
		}
	}
	return min(t.cols, n), t.rows
}

// gemmTiles is the work of one call of a tile kernel: count tiles of rows rows, one below the other, all cols columns wide.
type gemmTiles struct {
	rows, count, cols, k int
	a                    []float32
	aRow, aK             int // distances between rows and between columns of op(A)
	b                    []float32
	bRow                 int
	c                    []float32
	cRow                 int
	bias                 []float32 // [cols], or nil
	accumulate           bool
}

// gemmPad is the number of floats in a cache line. Packed rows are an odd number of lines apart, so that a column of them does not
// fall into a few sets of the cache.
const gemmPad = 16

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// evenly returns the length of the parts when total is cut into as few parts of at most limit as possible, nearly equal.
func evenly(total, limit int) int {
	if total <= limit {
		return total
	}
	return ceilDiv(total, ceilDiv(total, limit))
}

// oddLines returns the least distance of at least n floats that is an odd number of cache lines.
func oddLines(n int) int { return (ceilDiv(n, gemmPad) | 1) * gemmPad }

// scratch returns the number of floats that run needs for C [m, n] and depth k.
func (t *gemmTiling) scratch(m, n, k int) int {
	m, n, k = evenly(m, t.m), min(n, t.n), t.depth(min(t.k, k+k&1))
	packedA := max(m*oddLines(k), k*oddLines(m), t.strip(k))
	return max(packedA+k*wholePanels(n), fewRows*WeightPanel) + gemmPad
}

// stepK returns the depth of a block where op(A) has k columns. Blocks of bfloat16 begin at even columns.
func (t *gemmTiling) stepK(k int) int {
	step := evenly(k, t.k)
	if t.bf16 {
		step += step & 1
	}
	return step
}

// run computes g; see Set.Gemm.
func (t *gemmTiling) run(g *Gemm, scratch []float32) {
	g.check()
	if g.Weights != nil {
		g.checkWeights(t)
	}
	if need := t.scratch(g.M, g.N, g.K); len(scratch) < need {
		panic(fmt.Sprintf("kernel: Gemm of M=%d N=%d K=%d needs a scratch of %d floats, got %d", g.M, g.N, g.K, need, len(scratch)))
	}
	scratch = alignToLine(scratch)
	columns := t.transposedColumns(g)
	switch {
	case g.M == 0 || g.N == 0:
	case g.Weights != nil && g.M <= fewRows:
		t.runWeights(g, scratch)
	case columns > 0:
		t.runTransposed(g, columns)
		rest := *g
		rest.N -= columns
		rest.B, rest.C = g.B[min(columns*g.StrideB, len(g.B)):], g.C[min(columns, len(g.C)):]
		if g.Bias != nil {
			rest.Bias = g.Bias[columns:]
		}
		t.runBlocks(&rest, scratch)
	default:
		t.runBlocks(g, scratch)
	}
}

// runBlocks computes any product block by block.
func (t *gemmTiling) runBlocks(g *Gemm, scratch []float32) {
	stepM, stepK := evenly(g.M, t.m), t.stepK(g.K)
	if g.Weights != nil {
		stepK = t.k // as in runWeights
	}
	stepK = max(stepK, 1)
	packA, packB := t.packs(g)
	bPacked := scratch[:t.depth(min(stepK, g.K))*wholePanels(min(g.N, t.n))]
	aPacked := scratch[len(bPacked):]
	for j := 0; j < g.N; j += t.n {
		n := min(t.n, g.N-j)
		for p := 0; p == 0 || p < g.K; p += stepK {
			k := min(stepK, g.K-p)
			depth := t.depth(k)
			b, bRow, bPanel := g.B[min(p*g.StrideB+j, len(g.B)):], g.StrideB, 0
			if packB && k > 0 {
				switch {
				case g.Weights != nil:
					t.widenB(bPacked, g.Weights, p, j, k, n)
				case t.bf16:
					t.packBF16B(bPacked, aPacked, g, p, j, k, n)
				default:
					t.packB(bPacked, g, p, j, k, n)
				}
				b, bRow, bPanel = bPacked, t.cols, depth*t.cols
			}
			for i := 0; i < g.M; i += stepM {
				m := min(stepM, g.M-i)
				w := gemmTiles{k: depth, bRow: bRow, cRow: g.StrideC, accumulate: g.Accumulate || p > 0}
				switch {
				case t.bf16:
					w.a, w.aRow, w.aK = t.packBF16A(aPacked, g, i, p, m, k)
				case packA:
					w.a, w.aRow, w.aK = g.packA(aPacked, i, p, m, k)
				default:
					w.a, w.aRow, w.aK = g.blockA(i, p)
				}
				height := t.rows
				for jj := 0; jj < n; jj += w.cols {
					if packB {
						w.cols = min(t.cols, n-jj)
						w.b = b[min(jj/t.cols*bPanel, len(b)):]
					} else {
						w.cols, height = t.width(m, n-jj)
						w.b = b[min(jj, len(b)):]
					}
					w.c = g.C[i*g.StrideC+j+jj:]
					if g.Bias != nil && p == 0 {
						w.bias = g.Bias[j+jj : j+jj+w.cols]
					}
					t.panel(w, m, height)
				}
			}
		}
	}
}

// panel computes m rows of C, cut into tiles of nearly equal height, at most the given one: two small tiles are faster than a full one and a
// rest of few rows, which would leave the multiply-add units waiting for their own results.
func (t *gemmTiling) panel(w gemmTiles, m, height int) {
	tiles := ceilDiv(m, height)
	w.rows = m / tiles
	taller := m % tiles // so many tiles have one row more
	if taller > 0 {
		w.rows++
		w.count = taller
		t.isa.tiles(&w)
		w.a = w.a[min(w.rows*taller*w.aRow, len(w.a)):]
		w.c = w.c[w.rows*taller*w.cRow:]
		w.rows--
	}
	w.count = tiles - taller
	t.isa.tiles(&w)
}

// packs says whether the blocks of A and B are copied to scratch first.
//
// Rows of A far apart share few sets of the first-level cache, the same set when the distance is a multiple of 4096 bytes; a copy has
// its rows side by side. It pays where it is read by many panels.
//
// B has to be copied where it is stored transposed. Otherwise panels of a B that stays in the second-level cache are read in place; of a
// larger one each row of a panel is on another page, and a copy gains 6 to 12 % at [256, 768]·[768, 3072] on Zen 5;
// with 64 rows to share it, as in [64, 900]·[900, 256], it costs 15 %.
func (t *gemmTiling) packs(g *Gemm) (a, b bool) {
	if t.bf16 {
		return true, true
	}
	return g.StrideA >= 512 && g.N >= 8*t.cols, g.Weights != nil || g.TransB || g.M >= 128 && g.K*g.N >= 128<<10
}

// alignToLine returns s from its first cache line on; up to gemmPad-1 floats are lost.
func alignToLine(s []float32) []float32 {
	const line = 4 * gemmPad
	misplaced := uintptr(unsafe.Pointer(unsafe.SliceData(s))) % line
	return s[(line-misplaced)%line/4:]
}

// blockA returns op(A) from row i and column p on, in place, and the distances between its rows and columns.
func (g *Gemm) blockA(i, p int) (a []float32, row, col int) {
	if g.TransA {
		return g.A[min(p*g.StrideA+i, len(g.A)):], 1, g.StrideA
	}
	return g.A[min(i*g.StrideA+p, len(g.A)):], g.StrideA, 1
}

// packA copies the block [m, k] of op(A) at row i and column p to dst, rows of A as rows, and returns it as blockA does.
func (g *Gemm) packA(dst []float32, i, p, m, k int) (a []float32, row, col int) {
	if g.TransA {
		row := oddLines(m)
		for q := range k {
			copy(dst[q*row:q*row+m], g.A[(p+q)*g.StrideA+i:])
		}
		return dst, 1, row
	}
	row = oddLines(k)
	for q := range m {
		copy(dst[q*row:q*row+k], g.A[(i+q)*g.StrideA+p:])
	}
	return dst, row, 1
}

// packB copies the block [k, n] of op(B) at row p and column j to dst as panels of t.cols columns, [k, t.cols] each; in the columns
// missing from the last panel it leaves anything, since no kernel reads them. It reads a row of B from end to end before the next:
// panel by panel costs 8 % of a product whose B is not in the cache.
func (t *gemmTiling) packB(dst []float32, g *Gemm, p, j, k, n int) {
	if g.TransB {
		for jj := 0; jj < n; jj += t.cols {
			t.isa.transpose(dst[jj*k:], t.cols, g.B[min((j+jj)*g.StrideB+p, len(g.B)):], g.StrideB, min(t.cols, n-jj), k)
		}
		return
	}
	for q := range k {
		t.isa.copyPanels(dst[q*t.cols:], t.cols, k*t.cols, g.B[(p+q)*g.StrideB+j:][:n])
	}
}

// check panics where a matrix is smaller than its shape says: assembly has no bounds checks.
func (g *Gemm) check() {
	if g.M < 0 || g.N < 0 || g.K < 0 {
		panic(fmt.Sprintf("kernel: Gemm of negative size: M=%d N=%d K=%d", g.M, g.N, g.K))
	}
	checkMatrix("A", len(g.A), g.StrideA, g.M, g.K, g.TransA)
	if g.Weights == nil {
		checkMatrix("B", len(g.B), g.StrideB, g.K, g.N, g.TransB)
	}
	checkMatrix("C", len(g.C), g.StrideC, g.M, g.N, false)
	if g.Bias != nil && len(g.Bias) < g.N {
		panic(fmt.Sprintf("kernel: Gemm with N=%d has a Bias of %d floats", g.N, len(g.Bias)))
	}
}

func checkMatrix(name string, length, stride, rows, cols int, transposed bool) {
	if transposed {
		rows, cols = cols, rows
	}
	if rows == 0 || cols == 0 {
		return
	}
	if need := (rows-1)*stride + cols; stride < cols || length < need {
		panic(fmt.Sprintf("kernel: Gemm with %s stored [%d, %d], stride %d, needs %d floats and a stride of at least %d; %s has %d floats",
			name, rows, cols, stride, need, cols, name, length))
	}
}
