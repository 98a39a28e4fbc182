package kernels

// Rotation says how Rotary turns: the first Heads heads of HeadDim columns (an even number) of each row, back with Inverse.
type Rotation struct {
	Heads, HeadDim int
	Inverse        bool
}

// Rotary turns head vectors by the positions of their rows (ref.Rotary): dst and x [rows, width], positions [rows], cosine and sine
// [context, HeadDim/2] of the angles position·base^(-2i/HeadDim). dst may be x.
func Rotary(dst, x, positions, cosine, sine Pointer, rows, width int, r Rotation) Launch {
	inverse := int32(0)
	if r.Inverse {
		inverse = 1
	}
	return Launch{
		Source: "rotary", Kernel: "rotary", Grid: grid(ceilDiv(rows, 4), 1), Block: 128,
		Args: []any{dst, x, positions, cosine, sine, int32(rows), int32(width), int32(r.Heads), int32(r.HeadDim), inverse},
	}
}
