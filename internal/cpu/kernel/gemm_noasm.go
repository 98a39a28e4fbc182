//go:build !amd64 || noasm

package kernel

// tiles runs the tile kernel of the instruction set; there is one here.
func (gemmISA) tiles(w *gemmTiles) { gemmTilesGo(w) }

// transpose is gemmTransposeGo.
func (gemmISA) transpose(dst []float32, dstRow int, src []float32, srcRow, rows, k int) {
	gemmTransposeGo(dst, dstRow, src, srcRow, rows, k)
}
