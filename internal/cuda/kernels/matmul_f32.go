package kernels

// Tiles of 128 x 128 load two floats from shared memory for 8 multiply-adds, those of 64 x 64 for 4.
var matmulF32 = productKernels{
	source: "matmul_f32", strip: 16, stages: 3, bytes: 4, pad: 4, rate: 64,
	tilings: []tiling{{128, 128, 256, 2, 0.85}, {64, 64, 256, 3, 0.6}},
}

// MatMulF32Scratch is the number of floats that MatMulF32 needs for the parts of a product.
func MatMulF32Scratch(p Product) int { return matmulF32.plan(p).scratch(p) }

// MatMulF32 is c = f(op(a)·op(b) + bias) + addend in float32 (ref.MatMul), c [M, N] and the rest as e says. scratch is room for
// MatMulF32Scratch floats.
func MatMulF32(c, a, b, scratch Pointer, p Product, e Epilogue) []Launch {
	return matMulF32(c, a, b, scratch, p, e, matmulF32.plan(p))
}

func matMulF32(c, a, b, scratch Pointer, p Product, e Epilogue, w plan) []Launch {
	e.check(Floats{At: c}, p)
	none := Pointer(0)
	if w.parts == 1 {
		return []Launch{matmulF32.launch(w, p, c, a, b, e.Bias, e.Addend, e.Pre.At, int32(e.Function))}
	}
	return []Launch{
		matmulF32.launch(w, p, scratch, a, b, none, none, none, int32(Plain)),
		sumOfParts(Floats{At: c}, scratch, w, p, e),
	}
}
