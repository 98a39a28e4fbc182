//go:build amd64 && !noasm

package kernel

import "unsafe"

// gemmTilingAVX512: 28 of the 32 registers hold sums, two B and one A.
var gemmTilingAVX512 = gemmTiling{isa: gemmISAAVX512, rows: 14, cols: 32, m: 14 * 20, n: 1024, k: 256,
	few:        []gemmFew{{rows: 1, cols: 256, height: 1}, {rows: 2, cols: 128, height: 2}, {rows: 12, cols: 64, height: 6}},
	transposed: gemmTransposed{rows: 8, lanes: 16}, weightRows: 4}

// gemmTilingAVX2: 12 of the 16 registers hold sums, two B, one A and one the mask.
var gemmTilingAVX2 = gemmTiling{isa: gemmISAAVX2, rows: 6, cols: 16, m: 6 * 44, n: 1024, k: 256,
	few:        []gemmFew{{rows: 4, cols: 32, height: 2}},
	transposed: gemmTransposed{rows: 4, lanes: 8}, weightRows: 2}

// gemmTilingBF16 has the sums of its twin in Go, in the same order.
var gemmTilingBF16 = gemmTilingBF16Of(gemmISAAVX512BF16)

func gemmAVX512(g *Gemm, scratch []float32) { gemmTilingAVX512.run(g, scratch) }
func gemmAVX2(g *Gemm, scratch []float32)   { gemmTilingAVX2.run(g, scratch) }
func gemmBF16(g *Gemm, scratch []float32)   { gemmTilingBF16.run(g, scratch) }

func gemmScratchAVX512(m, n, k int) int { return gemmTilingAVX512.scratch(m, n, k) }
func gemmScratchAVX2(m, n, k int) int   { return gemmTilingAVX2.scratch(m, n, k) }
func gemmScratchBF16(m, n, k int) int   { return gemmTilingBF16.scratch(m, n, k) }

// tiles runs the tile kernel of the instruction set.
func (isa gemmISA) tiles(w *gemmTiles) {
	a, b, c, bias := unsafe.SliceData(w.a), unsafe.SliceData(w.b), unsafe.SliceData(w.c), unsafe.SliceData(w.bias)
	switch isa {
	case gemmISAAVX512:
		gemmTilesAVX512(w.rows, w.count, w.cols, w.k, a, w.aRow, w.aK, b, w.bRow, c, w.cRow, bias, w.accumulate)
	case gemmISAAVX2:
		gemmTilesAVX2(w.rows, w.count, w.cols, w.k, a, w.aRow, w.aK, b, w.bRow, c, w.cRow, bias, w.accumulate)
	case gemmISAAVX512BF16:
		gemmTilesAVX512BF16(w.rows, w.count, w.cols, w.k, a, w.aRow, w.aK, b, w.bRow, c, w.cRow, bias, w.accumulate)
	case gemmISAGoBF16:
		gemmTilesBF16Go(w)
	default:
		gemmTilesGo(w)
	}
}

// transpose is gemmTransposeGo; columns of dst beyond rows, up to a multiple of the vector, may be overwritten.
func (isa gemmISA) transpose(dst []float32, dstRow int, src []float32, srcRow, rows, k int) {
	switch {
	case (isa == gemmISAAVX512 || isa == gemmISAAVX512BF16) && k >= 16:
		for i := 0; i < rows; i += 16 {
			gemmTransposeAVX512(&dst[i], dstRow, &src[i*srcRow], srcRow, min(16, rows-i), k)
		}
	case isa == gemmISAAVX2 && k >= 8:
		for i := 0; i < rows; i += 8 {
			gemmTransposeAVX2(&dst[i], dstRow, &src[i*srcRow], srcRow, min(8, rows-i), k)
		}
	default:
		gemmTransposeGo(dst, dstRow, src, srcRow, rows, k)
	}
}

// copyPanels is gemmCopyGo.
func (isa gemmISA) copyPanels(dst []float32, panel, dstPanel int, src []float32) {
	if isa == gemmISAAVX512 {
		gemmCopyAVX512(unsafe.SliceData(dst), dstPanel, unsafe.SliceData(src), len(src))
		return
	}
	gemmCopyGo(dst, panel, dstPanel, src)
}

// round is gemmRoundGo.
func (isa gemmISA) round(dst, src []float32) {
	if isa == gemmISAAVX512BF16 {
		gemmRoundAVX512BF16(unsafe.SliceData(dst), unsafe.SliceData(src), len(src))
		return
	}
	gemmRoundGo(dst, src)
}

// pair is gemmPairGo.
func (isa gemmISA) pair(dst []float32, dstPanel int, first, second []float32) {
	if isa == gemmISAAVX512BF16 && second != nil {
		gemmPairAVX512BF16(unsafe.SliceData(dst), dstPanel, unsafe.SliceData(first), unsafe.SliceData(second), len(first))
		return
	}
	gemmPairGo(dst, dstPanel, first, second)
}

// transposedTile is gemmTransposedTileGo; it fetches from ahead as much memory as it reads of B.
func (isa gemmISA) transposedTile(w *gemmTiles, ahead []float32) {
	a, b, c, bias := unsafe.SliceData(w.a), unsafe.SliceData(w.b), unsafe.SliceData(w.c), unsafe.SliceData(w.bias)
	switch isa {
	case gemmISAAVX512:
		gemmTransposedTileAVX512(w.rows, w.k, a, w.aRow, b, w.bRow, c, w.cRow, bias, w.accumulate, unsafe.SliceData(ahead))
	case gemmISAAVX2:
		gemmTransposedTileAVX2(w.rows, w.k, a, w.aRow, b, w.bRow, c, w.cRow, bias, w.accumulate, unsafe.SliceData(ahead))
	default:
		gemmTransposedTileGo(w)
	}
}

// weightTile is gemmWeightTileGo.
func (isa gemmISA) weightTile(w *gemmWeightTile) {
	a, panel, c, scales := unsafe.SliceData(w.a), unsafe.SliceData(w.panel), unsafe.SliceData(w.c), unsafe.SliceData(w.scales)
	bf16 := w.weights.Type == BF16
	switch {
	case isa == gemmISAAVX512 && bf16:
		gemmBF16TileAVX512(w.rows, w.k, a, w.aRow, panel, c, w.cRow)
	case isa == gemmISAAVX512:
		gemmInt8TileAVX512(w.rows, w.k, a, w.aRow, panel, c, w.cRow, scales)
	case isa == gemmISAAVX2 && bf16:
		gemmBF16TileAVX2(w.rows, w.k, a, w.aRow, panel, c, w.cRow)
		gemmBF16TileAVX2(w.rows, w.k, a, w.aRow, &w.panel[WeightPanel], &w.c[WeightPanel/2], w.cRow)
	case isa == gemmISAAVX2:
		gemmInt8TileAVX2(w.rows, w.k, a, w.aRow, panel, c, w.cRow, scales)
		gemmInt8TileAVX2(w.rows, w.k, a, w.aRow, &w.panel[WeightPanel/2], &w.c[WeightPanel/2], w.cRow, &w.scales[WeightPanel/2])
	default:
		gemmWeightTileGo(w)
	}
}

// widen is gemmWidenGo.
func (isa gemmISA) widen(w *Weights, dst []float32, cols, dstPanel int, panel []byte, scales []float32, k int) {
	to, from, scale := unsafe.SliceData(dst), unsafe.SliceData(panel), unsafe.SliceData(scales)
	bf16 := w.Type == BF16
	switch {
	case isa == gemmISAAVX512 && bf16:
		gemmWidenBF16AVX512(to, dstPanel, k, from)
	case isa == gemmISAAVX512:
		gemmWidenInt8AVX512(to, dstPanel, k, from, scale)
	case isa == gemmISAAVX2 && bf16:
		gemmWidenBF16AVX2(to, dstPanel, k, from)
		gemmWidenBF16AVX2(&dst[2*dstPanel], dstPanel, k, &panel[WeightPanel])
	case isa == gemmISAAVX2:
		gemmWidenInt8AVX2(to, dstPanel, k, from, scale)
		gemmWidenInt8AVX2(&dst[2*dstPanel], dstPanel, k, &panel[WeightPanel/2], &scales[WeightPanel/2])
	default:
		gemmWidenGo(w, dst, cols, dstPanel, panel, scales, k)
	}
}
