package kernels

// ScatterAddScratch is the number of int32 that ScatterAdd needs: the order of the rows, and where each row of the table begins in it.
func ScatterAddScratch(rows, tableRows int) int { return rows + tableRows + 1 }

// ScatterAdd is the gradient of Gather (ref.ScatterAdd): dst = 0, then dst[ids[i]] += dy[i] in the order of i, for dst [tableRows, width],
// dy [rows, width] and ids [rows]. Sums are in float32. scratch is room for ScatterAddScratch int32.
func ScatterAdd(dst, dy Floats, ids, scratch Pointer, rows, tableRows, width int) []Launch {
	// A block reads all ids, so few blocks read less; each of its 512 threads counts for one row of the table at most. 128 blocks are enough
	// for a GPU of some hundred multiprocessors.
	blocks, rowsPerBlock := runs(tableRows, 128, 1, 512)
	columns := 32
	if width%4 == 0 {
		columns = 4 * 32
	}
	order, starts := scratch, scratch+Pointer(4*rows)
	return []Launch{{
		Source: "scatter_add", Kernel: "scatter_order", Grid: grid(blocks, 1), Block: 512,
		Args: []any{order, starts, ids, int32(rows), int32(tableRows), int32(rowsPerBlock)},
	}, {
		Source: "scatter_add", Kernel: "scatter_add_" + dst.name() + "_" + dy.name(),
		Grid: grid(ceilDiv(tableRows, 4), ceilDiv(width, columns)), Block: 128,
		Args: []any{dst.At, dy.At, order, starts, int32(tableRows), int32(width)},
	}}
}
