//go:build !amd64 || noasm

package kernel

// tiles runs the tile kernel for the kind of operands.
func (isa gemmISA) tiles(w *gemmTiles) {
	if isa == gemmISAGoBF16 {
		gemmTilesBF16Go(w)
		return
	}
	gemmTilesGo(w)
}

// transpose is gemmTransposeGo.
func (gemmISA) transpose(dst []float32, dstRow int, src []float32, srcRow, rows, k int) {
	gemmTransposeGo(dst, dstRow, src, srcRow, rows, k)
}

// copyPanels is gemmCopyGo.
func (gemmISA) copyPanels(dst []float32, panel, dstPanel int, src []float32) {
	gemmCopyGo(dst, panel, dstPanel, src)
}

// round is gemmRoundGo.
func (gemmISA) round(dst, src []float32) { gemmRoundGo(dst, src) }

// pair is gemmPairGo.
func (gemmISA) pair(dst []float32, dstPanel int, first, second []float32) {
	gemmPairGo(dst, dstPanel, first, second)
}

// transposedTile is gemmTransposedTileGo.
func (gemmISA) transposedTile(w *gemmTiles, _ []float32) { gemmTransposedTileGo(w) }

// weightTile is gemmWeightTileGo.
func (gemmISA) weightTile(w *gemmWeightTile) { gemmWeightTileGo(w) }

// widen is gemmWidenGo.
func (gemmISA) widen(w *Weights, dst []float32, cols, dstPanel int, panel []byte, scales []float32, k int) {
	gemmWidenGo(w, dst, cols, dstPanel, panel, scales, k)
}
