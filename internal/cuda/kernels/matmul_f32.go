package kernels

import "fmt"

// Product is the shape of a matrix product: op(a) [M, K] times op(b) [K, N], where op(a) is a [M, K] or with TransA the transpose of
// a [K, M], and op(b) likewise.
type Product struct {
	M, N, K        int
	TransA, TransB bool
}

// suffix names the transpositions as kernels do: n or t for a, then for b.
func (p Product) suffix() string {
	letter := map[bool]string{false: "n", true: "t"}
	return letter[p.TransA] + letter[p.TransB]
}

// largeTileBlocks is the number of blocks from which on the product is made in tiles of 128 x 128, which read memory half as often as those
// of 64 x 64: a GPU of some hundred multiprocessors is then busy with them.
const largeTileBlocks = 128

// MatMulF32 is c = op(a)·op(b) + bias in float32 (ref.MatMul): c [M, N], bias [N] or 0.
func MatMulF32(c, a, b, bias Pointer, p Product) Launch {
	tile := 128
	if ceilDiv(p.M, tile)*ceilDiv(p.N, tile) < largeTileBlocks {
		tile = 64
	}
	return matMulF32(c, a, b, bias, p, tile)
}

// matMulF32 is the product in tiles of a given size, 64 or 128.
func matMulF32(c, a, b, bias Pointer, p Product, tile int) Launch {
	return Launch{
		Source: "matmul_f32", Kernel: fmt.Sprintf("matmul_f32_%s_%d", p.suffix(), tile),
		Grid: grid(ceilDiv(p.N, tile), ceilDiv(p.M, tile)), Block: 256,
		Args: []any{c, a, b, bias, int32(p.M), int32(p.N), int32(p.K)},
	}
}
