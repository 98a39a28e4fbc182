package kernels

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
