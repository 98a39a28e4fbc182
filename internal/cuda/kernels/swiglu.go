package kernels

// SwiGLU is silu(gate)·up [rows, hidden] of the rows of x [rows, 2·hidden] (ref.SwiGLU), both of one type.
func SwiGLU(dst, x Floats, rows, hidden int) Launch {
	sameType("SwiGLU", dst, x)
	return swiglu("swiglu_", x, rows, hidden, dst.At, x.At)
}

// SwiGLUGrad computes dx [rows, 2·hidden] of SwiGLU (ref.SwiGLUGrad) from x and dy [rows, hidden], all of one type; dx may be x.
func SwiGLUGrad(dx, x, dy Floats, rows, hidden int) Launch {
	sameType("SwiGLUGrad", dx, x)
	sameType("SwiGLUGrad", dy, x)
	return swiglu("swiglu_grad_", x, rows, hidden, dx.At, x.At, dy.At)
}

// swiglu is a kernel on a thread for every 4 columns of the gate, or for each where 4 does not divide them.
func swiglu(kernel string, x Floats, rows, hidden int, args ...any) Launch {
	columns, form := 4, ""
	if hidden%4 != 0 {
		columns, form = 1, "_any"
	}
	return Launch{
		Source: "swiglu", Kernel: kernel + x.name() + form, Grid: grid(ceilDiv(rows*hidden/columns, 256), 1), Block: 256,
		Args: append(args, int32(rows), int32(hidden)),
	}
}
