package kernels

// MatMulF32InTiles and MatMulBF16InTiles let a test choose the tile that otherwise follows from the size of the product.
var (
	MatMulF32InTiles  = matMulF32
	MatMulBF16InTiles = matMulBF16
)
