package kernels

import "fmt"

// MatMulF32 is c = op(a)·op(b) + bias in float32 (ref.MatMul): c [M, N], bias [N] or 0.
func MatMulF32(c, a, b, bias Pointer, p Product) Launch {
	return matMulF32(c, a, b, bias, p, p.tile())
}

// matMulF32 is the product in tiles of a given size, 64 or 128.
func matMulF32(c, a, b, bias Pointer, p Product, tile int) Launch {
	return Launch{
		Source: "matmul_f32", Kernel: fmt.Sprintf("matmul_f32_%s_%d", p.suffix(), tile),
		Grid: grid(ceilDiv(p.N, tile), ceilDiv(p.M, tile)), Block: 256,
		Args: []any{c, a, b, bias, int32(p.M), int32(p.N), int32(p.K)},
	}
}
