package kernels

// Rotation says how Rotary turns: the first Heads heads of HeadDim columns (an even number) of each row, back with Inverse.
type Rotation struct {
	Heads, HeadDim int
	Inverse        bool
}

// Rotary turns head vectors by the positions of their rows (ref.Rotary): dst and x [rows, width] of one type, positions [rows], cosine and
// sine [context, HeadDim/2] of the angles position·base^(-2i/HeadDim). dst may be x.
func Rotary(dst, x Floats, positions, cosine, sine Pointer, rows, width int, r Rotation) Launch {
	sameType("Rotary", dst, x)
	inverse := int32(0)
	if r.Inverse {
		inverse = 1
	}
	pairs, form := 4, "" // of a thread
	if r.HeadDim%8 != 0 || width%4 != 0 {
		pairs, form = 1, "_any"
	}
	return Launch{
		Source: "rotary", Kernel: "rotary_" + x.name() + form, Grid: grid(ceilDiv(rows*r.HeadDim/2/pairs, 128), 1), Block: 128,
		Args: []any{dst.At, x.At, positions, cosine, sine, int32(rows), int32(width), int32(r.Heads), int32(r.HeadDim), inverse},
	}
}
