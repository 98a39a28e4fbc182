package kernels

// ScatterAdd is the gradient of Gather (ref.ScatterAdd): dst = 0, then dst[ids[i]] += dy[i] in the order of i, for dst [tableRows, width],
// dy [rows, width] and ids [rows].
func ScatterAdd(dst, dy, ids Pointer, rows, tableRows, width int) Launch {
	// A block reads all ids, so that few blocks with many rows of the table each read less; a small table still gives a block to each row.
	rowsPerBlock := min(max(tableRows/512, 1), 32)
	return Launch{
		Source: "scatter_add", Kernel: "scatter_add", Grid: grid(ceilDiv(tableRows, rowsPerBlock), ceilDiv(width, 256)), Block: 256,
		Args: []any{dst, dy, ids, int32(rows), int32(tableRows), int32(width), int32(rowsPerBlock)},
	}
}
