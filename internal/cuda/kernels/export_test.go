package kernels

// MatMulF32In and MatMulBF16In make a product in the tiling of the given index and about so many parts, which otherwise follow from its
// size. They return the launches; scratch is room for parts·M·N floats.
func MatMulF32In(tiling, parts int, c, a, b, scratch Pointer, p Product, e Epilogue) []Launch {
	return matMulF32(c, a, b, scratch, p, e, matmulF32.in(matmulF32.tilings[tiling], parts, p))
}

func MatMulBF16In(tiling, parts int, c Floats, a, b, scratch Pointer, p Product, e Epilogue) []Launch {
	return matMulBF16(c, a, b, scratch, p, e, matmulBF16.in(matmulBF16.tilings[tiling], parts, p))
}

// The number of tilings of each kind of product.
var (
	TilingsF32  = len(matmulF32.tilings)
	TilingsBF16 = len(matmulBF16.tilings)
)
