package kernel

import "fmt"

// Products with Weights compute in float32 with the weights that the bits stand for. A product of few rows takes each panel from memory once,
// widening it on the way; a product of many rows has panels widened to where those of B are packed otherwise, and goes on as any
// other. Either way an element of C is the same chain of multiply-adds, with the same bits.

// fewRows is the largest number of rows of a product that reads packed weights, or a transposed B, in place.
const fewRows = 8

// gemmWeightTile is the work of one call: C [rows, WeightPanel] += A [rows, k]·W, where W are k rows of a panel.
type gemmWeightTile struct {
	weights *Weights
	rows, k int
	a       []float32
	aRow    int
	panel   []byte
	scales  []float32
	c       []float32
	cRow    int
}

// runWeights computes a product of few rows. scratch has room for a tile of C.
func (t *gemmTiling) runWeights(g *Gemm, scratch []float32) {
	for j := 0; j < g.N; j += WeightPanel {
		n := min(WeightPanel, g.N-j)
		c, cRow := g.C[j:], g.StrideC
		if n < WeightPanel {
			c, cRow = scratch[:g.M*WeightPanel], WeightPanel
		}
		for i := range g.M {
			row := c[i*cRow:][:n]
			clear(row)
			if g.Bias != nil {
				copy(row, g.Bias[j:])
			}
		}
		for p := 0; p < g.K; p += t.k {
			tile := gemmWeightTile{weights: g.Weights, k: min(t.k, g.K-p), aRow: g.StrideA, cRow: cRow}
			tile.panel, tile.scales = g.Weights.panel(j, p)
			height := evenly(g.M, t.weightRows)
			for i := 0; i < g.M; i += height {
				tile.rows, tile.a, tile.c = min(height, g.M-i), g.A[i*g.StrideA+p:], c[i*cRow:]
				t.isa.weightTile(&tile)
			}
		}
		if n < WeightPanel {
			for i := range g.M {
				copy(g.C[i*g.StrideC+j:][:n], c[i*cRow:])
			}
		}
	}
}

// widenB is packB of weights.
func (t *gemmTiling) widenB(dst []float32, w *Weights, p, j, k, n int) {
	for jj := 0; jj < n; jj += WeightPanel {
		panel, scales := w.panel(j+jj, p)
		t.isa.widen(w, dst[jj*k:], t.cols, k*t.cols, panel, scales, k)
	}
}

// gemmWeightTileGo is the kernel of few rows in plain Go.
func gemmWeightTileGo(w *gemmWeightTile) {
	var sums [fewRows][WeightPanel]float32
	var wide [WeightPanel]float32
	for p := range w.k {
		w.weights.widenGo(&wide, w.panel[p*w.weights.rowBytes():], w.scales[min(p/weightBlock*WeightPanel, len(w.scales)):])
		for i := range w.rows {
			a := w.a[i*w.aRow+p]
			for j, x := range wide {
				sums[i][j] += a * x
			}
		}
	}
	for i := range w.rows {
		c := w.c[i*w.cRow:][:WeightPanel]
		for j, sum := range sums[i] {
			c[j] += sum
		}
	}
}

// gemmWidenGo stores k rows of a panel as floats in panels of cols columns, the next ones dstPanel behind where these begin.
func gemmWidenGo(w *Weights, dst []float32, cols, dstPanel int, panel []byte, scales []float32, k int) {
	var wide [WeightPanel]float32
	for p := range k {
		w.widenGo(&wide, panel[p*w.rowBytes():], scales[min(p/weightBlock*WeightPanel, len(scales)):])
		gemmCopyGo(dst[p*cols:], cols, dstPanel, wide[:])
	}
}

// checkWeights panics where the weights do not fit the product.
func (g *Gemm) checkWeights(t *gemmTiling) {
	w := g.Weights
	if w.K != g.K || w.N != g.N || g.TransA || g.Accumulate || t.bf16 {
		panic(fmt.Sprintf("kernel: Gemm of M=%d N=%d K=%d with TransA=%v, Accumulate=%v, operands in bfloat16=%v takes no Weights [%d, %d]",
			g.M, g.N, g.K, g.TransA, g.Accumulate, t.bf16, w.K, w.N))
	}
}
