// Command gemm writes the matrix product's assembly: the tile kernels and what packs their operands, for AVX-512, AVX2 and AVX512-BF16.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("amd64,!noasm")
	avx512.tiles()
	avx512bf16.tiles()
	avx2.tiles()
	transpose16()
	transpose8()
	copyPanels()
	roundBF16()
	pairBF16()
	Generate()
}
