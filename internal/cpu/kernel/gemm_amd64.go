//go:build amd64 && !noasm

package kernel

func (isa gemmISA) tiles(w *gemmTiles) { gemmTilesGo(w) }
func (isa gemmISA) transpose(dst []float32, dstRow int, src []float32, srcRow, rows, k int) {
	gemmTransposeGo(dst, dstRow, src, srcRow, rows, k)
}
