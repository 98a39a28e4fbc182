package kernels

// Gather is dst[i] = table[ids[i]], a row of zeros for a negative id (ref.Gather): dst [rows, width], table [V, width], ids [rows].
func Gather(dst, table Floats, ids Pointer, rows, width int) Launch {
	return Launch{
		Source: "gather", Kernel: "gather_" + dst.name() + "_" + table.name(), Grid: grid(ceilDiv(rows, 4), 1), Block: 128,
		Args: []any{dst.At, table.At, ids, int32(rows), int32(width)},
	}
}
