// Command gemm writes the matrix product's assembly: the tile kernels and what packs their operands, for AVX-512, AVX2 and AVX512-BF16.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("amd64,!noasm")
	avx512.tiles()
	avx512bf16.tiles()
	avx2.tiles()
	avx512.weights()
	avx2.weights()
	avx512.transposed()
	avx2.transposed()
	transpose16()
	transpose8()
	copyPanels()
	roundBF16()
	pairBF16()
	Generate()
}
