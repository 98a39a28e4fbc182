package kernel

// A product of few rows with a B that is stored transposed, such as that of the output layer of GPT-2, takes as long as B takes to come from
// memory. Packing B would take longer; here a tile reads rows of B, which are columns of op(B), and transposes squares of them in registers.
// The sums are those of the other tiles, bit by bit.

// gemmTransposed are the tiles of an instruction set that read a transposed B: at most rows of A, as many as sums fit beside a square in the
// registers, by lanes rows of B. k is a multiple of lanes.
type gemmTransposed struct{ rows, lanes int }

// transposedColumns returns how many columns of a product are computed by such tiles: none or all but a few.
func (t *gemmTiling) transposedColumns(g *Gemm) int {
	lanes := t.transposed.lanes
	if t.bf16 || g.M > fewRows || !g.TransB || g.TransA || g.K == 0 || g.K%lanes != 0 || t.stepK(g.K)%lanes != 0 {
		return 0
	}
	return g.N / lanes * lanes
}

// runTransposed computes the first n columns, a multiple of lanes. All of a row of B is read before the next ones are, as they follow
// each other in memory.
func (t *gemmTiling) runTransposed(g *Gemm, n int) {
	stepK, lanes, height := t.stepK(g.K), t.transposed.lanes, evenly(g.M, t.transposed.rows)
	for j := 0; j < n; j += lanes {
		// While this strip of rows is computed the next one is fetched.
		ahead := g.B[min(j+lanes, n-lanes)*g.StrideB:]
		for p := 0; p < g.K; p += stepK {
			w := gemmTiles{cols: lanes, k: min(stepK, g.K-p), aRow: g.StrideA, b: g.B[j*g.StrideB+p:], bRow: g.StrideB,
				cRow: g.StrideC, accumulate: g.Accumulate || p > 0}
			if g.Bias != nil && p == 0 {
				w.bias = g.Bias[j:]
			}
			for i := 0; i < g.M; i += height {
				w.rows, w.a, w.c = min(height, g.M-i), g.A[i*g.StrideA+p:], g.C[i*g.StrideC+j:]
				t.isa.transposedTile(&w, ahead[p*lanes:])
			}
		}
	}
}

// gemmTransposedTileGo is the tile kernel in plain Go; it needs no prefetch of what comes next.
func gemmTransposedTileGo(w *gemmTiles) {
	for i := range w.rows {
		a := w.a[i*w.aRow:][:w.k]
		for j := range w.cols {
			b := w.b[j*w.bRow:][:w.k]
			var sum float32
			for p, x := range a {
				sum += x * b[p]
			}
			w.finish(&w.c[i*w.cRow+j], sum, j)
		}
	}
}
