package kernels

// LayerNorm normalises the rows of x [rows, width] (ref.LayerNorm); gamma and beta are [width].
func LayerNorm(dst, x, gamma, beta Pointer, rows, width int, epsilon float32) Launch {
	return Launch{
		Source: "layer_norm", Kernel: "layer_norm", Grid: grid(ceilDiv(rows, 4), 1), Block: 128,
		Args: []any{dst, x, gamma, beta, int32(rows), int32(width), epsilon},
	}
}

// LayerNormScratch is the number of floats that LayerNormGrad needs: two moments a row, and the parts of dgamma and of dbeta.
func LayerNormScratch(rows, width int) int { return 2*rows + 2*RowParts(rows)*width }

// LayerNormGrad computes dx [rows, width], dgamma and dbeta [width] of LayerNorm (ref.LayerNormGrad) from x and dy [rows, width].
// scratch is room for LayerNormScratch floats. dx must not be dy.
func LayerNormGrad(dx, dgamma, dbeta, x, gamma, dy, scratch Pointer, rows, width int, epsilon float32) []Launch {
	parts := RowParts(rows)
	moments := scratch
	gammaParts := moments + Pointer(4*2*rows)
	betaParts := gammaParts + Pointer(4*parts*width)
	if parts == 1 {
		gammaParts, betaParts = dgamma, dbeta
	}
	launches := []Launch{{
		Source: "layer_norm", Kernel: "layer_norm_grad_input", Grid: grid(ceilDiv(rows, 4), 1), Block: 128,
		Args: []any{dx, moments, x, gamma, dy, int32(rows), int32(width), epsilon},
	}, {
		Source: "layer_norm", Kernel: "layer_norm_grad_weights", Grid: grid(ceilDiv(width, 32), parts), Block: 256,
		Args: []any{gammaParts, betaParts, moments, x, dy, int32(rows), int32(width), int32(rowsPerPart)},
	}}
	if parts > 1 {
		launches = append(launches, sumRows(dgamma, gammaParts, parts, width, 1), sumRows(dbeta, betaParts, parts, width, 1))
	}
	return launches
}
