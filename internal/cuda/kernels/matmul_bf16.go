package kernels

// The sides of a warp's square set the traffic of shared memory: 64 in the large tiles, 32 in the small one.
var matmulBF16 = productKernels{
	source: "matmul_bf16", strip: 32, stages: 4, bytes: 2, rate: 1024,
	tilings: []tiling{{128, 256, 256, 1, 0.75}, {128, 128, 128, 2, 0.7}, {64, 64, 128, 4, 0.45}},
}

// MatMulBF16Scratch is the number of floats that MatMulBF16 needs for the parts of a product.
func MatMulBF16Scratch(p Product) int { return matmulBF16.plan(p).scratch(p) }

// MatMulBF16 is c = f(op(a)·op(b) + bias) + addend on tensor cores (ref.MatMul): c [M, N] and the rest as e says, a and b in bfloat16,
// their rows PitchBF16 of their columns apart. Sums are in float32. scratch is room for MatMulBF16Scratch floats.
func MatMulBF16(c Floats, a, b, scratch Pointer, p Product, e Epilogue) []Launch {
	return matMulBF16(c, a, b, scratch, p, e, matmulBF16.plan(p))
}

func matMulBF16(c Floats, a, b, scratch Pointer, p Product, e Epilogue, w plan) []Launch {
	e.check(c, p)
	none := Pointer(0)
	if w.parts == 1 {
		return []Launch{matmulBF16.launch(w, p, c.At, a, b, e.Bias, e.Addend, e.Pre.At, int32(e.Function), flag(c.BF16))}
	}
	return []Launch{
		matmulBF16.launch(w, p, scratch, a, b, none, none, none, int32(Plain), flag(false)),
		sumOfParts(c, scratch, w, p, e),
	}
}
