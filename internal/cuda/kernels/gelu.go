package kernels

// GELU is the tanh form of GELU (ref.GELU) over n elements; dst may be x.
func GELU(dst, x Pointer, n int) Launch { return elementwise("gelu", "gelu", n, dst, x, int64(n)) }

// GELUGrad is dst = dy·GELU'(x) (ref.GELUGrad) over n elements; dst may be x or dy.
func GELUGrad(dst, x, dy Pointer, n int) Launch {
	return elementwise("gelu", "gelu_grad", n, dst, x, dy, int64(n))
}
