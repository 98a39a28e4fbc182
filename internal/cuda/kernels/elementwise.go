package kernels

// Add is dst = a + b (ref.Add) over n elements; dst may be a or b.
func Add(dst, a, b Pointer, n int) Launch {
	return elementwise("elementwise", "add", n, dst, a, b, int64(n))
}

// Scale is dst = s·x (ref.Scale) over n elements, s [1]; dst may be x.
func Scale(dst, x, s Pointer, n int) Launch {
	return elementwise("elementwise", "scale", n, dst, x, s, int64(n))
}

// elementwise is a launch with a thread for every 4 elements.
func elementwise(source, kernel string, n int, args ...any) Launch {
	return Launch{Source: source, Kernel: kernel, Grid: grid(ceilDiv(n, 4*256), 1), Block: 256, Args: args}
}
