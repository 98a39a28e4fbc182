// Command gemm writes the matrix product's assembly: the tile kernels and the transposes that pack B, for AVX-512 and AVX2.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("amd64,!noasm")
	avx512.tiles()
	avx2.tiles()
	transpose16()
	transpose8()
	Generate()
}
