package kernel

// gemmTilingGo holds 2·4 sums in scalar registers, as many as the compiler keeps there on amd64 beside the operands.
var gemmTilingGo = gemmTiling{isa: gemmISAGo, rows: 2, cols: 4, m: 128, n: 512, k: 256,
	transposed: gemmTransposed{rows: fewRows, lanes: 1}, weightRows: fewRows}

func gemmGo(g *Gemm, scratch []float32) { gemmTilingGo.run(g, scratch) }

func gemmScratchGo(m, n, k int) int { return gemmTilingGo.scratch(m, n, k) }

// gemmTilesGo is the tile kernel in plain Go.
func gemmTilesGo(w *gemmTiles) {
	for t := range w.count {
		a := w.a[min(t*w.rows*w.aRow, len(w.a)):]
		c := w.c[t*w.rows*w.cRow:]
		if w.rows == 2 && w.cols == 4 {
			gemmTile2x4(w, a, c)
			continue
		}
		for i := range w.rows {
			for j := range w.cols {
				var sum float32
				for p := range w.k {
					sum += a[i*w.aRow+p*w.aK] * w.b[p*w.bRow+j]
				}
				w.finish(&c[i*w.cRow+j], sum, j)
			}
		}
	}
}

// gemmTile2x4 computes one tile of two rows and four columns.
func gemmTile2x4(w *gemmTiles, a, c []float32) {
	var s00, s01, s02, s03, s10, s11, s12, s13 float32
	ia, ib := 0, 0
	for range w.k {
		b := (*[4]float32)(w.b[ib : ib+4])
		a0, a1 := a[ia], a[ia+w.aRow]
		s00 += a0 * b[0]
		s01 += a0 * b[1]
		s02 += a0 * b[2]
		s03 += a0 * b[3]
		s10 += a1 * b[0]
		s11 += a1 * b[1]
		s12 += a1 * b[2]
		s13 += a1 * b[3]
		ia += w.aK
		ib += w.bRow
	}
	for j, s := range [4]float32{s00, s01, s02, s03} {
		w.finish(&c[j], s, j)
	}
	for j, s := range [4]float32{s10, s11, s12, s13} {
		w.finish(&c[w.cRow+j], s, j)
	}
}

// finish stores the sum of a block of K in an element of C in column j of the tile.
func (w *gemmTiles) finish(c *float32, sum float32, j int) {
	if w.bias != nil {
		sum += w.bias[j]
	}
	if w.accumulate {
		sum += *c
	}
	*c = sum
}

// gemmCopyGo stores src in panels: panel floats, the next ones dstPanel behind where these begin, and so on.
func gemmCopyGo(dst []float32, panel, dstPanel int, src []float32) {
	for j := 0; j < len(src); j += panel {
		copy(dst[j/panel*dstPanel:], src[j:min(j+panel, len(src))])
	}
}

// gemmTransposeGo stores the transpose of src [rows, k] in dst [k, dstRow], columns 0 to rows.
func gemmTransposeGo(dst []float32, dstRow int, src []float32, srcRow, rows, k int) {
	for i := range rows {
		for p := range k {
			dst[p*dstRow+i] = src[i*srcRow+p]
		}
	}
}
