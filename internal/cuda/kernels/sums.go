package kernels

// rowsPerPart is how many rows one block of a sum over rows adds: 16 for each of its 8 warps.
const rowsPerPart = 128

// RowParts is the number of parts that sums over the rows of a matrix are made in.
func RowParts(rows int) int { return ceilDiv(rows, rowsPerPart) }

// SumRows is dst[j] = Σ_i x[i, j] (ref.SumRows) for x [rows, width]; dst and parts are float32, and parts is room for
// [RowParts(rows), width].
func SumRows(dst Pointer, x Floats, parts Pointer, rows, width int) []Launch {
	if rows <= rowsPerPart {
		return []Launch{sumRows(dst, x, rows, width, 1)}
	}
	return []Launch{sumRows(parts, x, rows, width, RowParts(rows)), sumRows(dst, Floats{At: parts}, RowParts(rows), width, 1)}
}

// sumRows sums x [rows, width] to dst [parts, width].
func sumRows(dst Pointer, x Floats, rows, width, parts int) Launch {
	columns := 32 * 4 / x.size() // of a block, 4 bytes a lane
	return Launch{
		Source: "sums", Kernel: "sum_rows_" + x.name(), Grid: grid(ceilDiv(width, columns), parts), Block: 256,
		Args: []any{dst, x.At, int32(rows), int32(width), int32(ceilDiv(rows, parts))},
	}
}

// WeightedSum is dst[0] = Σ x_i·weight_i (ref.Dot) over n elements.
func WeightedSum(dst, x, weight Pointer, n int) Launch {
	return Launch{Source: "sums", Kernel: "weighted_sum", Grid: grid(1, 1), Block: 512, Args: []any{dst, x, weight, int32(n)}}
}
