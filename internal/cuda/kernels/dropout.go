package kernels

import "trainer/internal/ref"

// Mask says which elements Dropout sets to 0: a share Rate, as key [2], the number that each row has in numbers [rows], and Salt decide
// (ref.Dropout).
type Mask struct {
	Rate         float64
	Salt         uint32
	Key, Numbers Pointer
}

// Dropout is dropout of x [rows, width] (ref.Dropout), plus an addend of the type of dst where that is not 0. dst may be the addend, and x if
// that is of the same type.
func Dropout(dst, x Floats, addend Pointer, rows, width int, m Mask) Launch {
	return Launch{
		Source: "dropout", Kernel: "dropout_" + dst.name() + "_" + x.name(), Grid: grid(ceilDiv(rows, 4), 1), Block: 128,
		Args: []any{
			dst.At, x.At, addend, m.Key, m.Numbers, int32(rows), int32(width), int32(m.Salt), int32(ref.DropoutThreshold(m.Rate)),
			ref.DropoutScale(m.Rate),
		},
	}
}
