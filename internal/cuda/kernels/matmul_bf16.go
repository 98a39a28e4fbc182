package kernels

import "fmt"

// PitchBF16 is the number of elements from one row to the next of a matrix in bfloat16 of so many columns: rounded up to 16 bytes.
func PitchBF16(columns int) int { return ceilDiv(columns, 8) * 8 }

// ToBF16 is dst = x rounded to bfloat16: x [rows, columns] in float32, dst [rows, PitchBF16(columns)], of which only the first columns
// of each row are written.
func ToBF16(dst, x Pointer, rows, columns int) Launch {
	return Launch{
		Source: "bf16", Kernel: "to_bf16", Grid: grid(ceilDiv(rows, 4), 1), Block: 128,
		Args: []any{dst, x, int32(rows), int32(columns), int32(PitchBF16(columns))},
	}
}

// MatMulBF16 is c = op(a)·op(b) + bias on tensor cores (ref.MatMul), and activated = GELU(c): c [M, N] in float32, bias [N] in float32
// or 0, activated [M, PitchBF16(N)] in bfloat16 or 0. a and b are in bfloat16, their rows PitchBF16 of their columns apart.
func MatMulBF16(c, activated, a, b, bias Pointer, p Product) Launch {
	return matMulBF16(c, activated, a, b, bias, p, p.tile())
}

// matMulBF16 is the product in tiles of a given size, 64 or 128: by 4 warps that make 32 x 32 each, or 8 that make 64 x 32.
func matMulBF16(c, activated, a, b, bias Pointer, p Product, tile int) Launch {
	const stages, depth, bytes = 3, 32, 2
	return Launch{
		Source: "matmul_bf16", Kernel: fmt.Sprintf("matmul_bf16_%s_%d", p.suffix(), tile),
		Grid: grid(ceilDiv(p.N, tile), ceilDiv(p.M, tile)), Block: 2 * tile, Shared: stages * 2 * tile * depth * bytes,
		Args: []any{c, activated, a, b, bias, int32(p.M), int32(p.N), int32(p.K)},
	}
}
