package kernels

// LayerNorm normalises the rows of x [rows, width] in float32 (ref.LayerNorm); gamma and beta are [width].
func LayerNorm(dst Floats, x, gamma, beta Pointer, rows, width int, epsilon float32) Launch {
	blocks, rowsPerBlock := normRuns(rows)
	threads, form := normBlock(width)
	return Launch{
		Source: "layer_norm", Kernel: "layer_norm_" + dst.name() + form, Grid: grid(blocks, 1), Block: threads,
		Args: []any{dst.At, x, gamma, beta, int32(rows), int32(width), int32(rowsPerBlock), epsilon},
	}
}

// LayerNormGradient is what LayerNormGrad reads and writes.
type LayerNormGradient struct {
	DX            Pointer // [rows, width], float32
	Copy          Pointer // DX rounded to bfloat16, in rows of PitchBF16(width), or 0
	DGamma, DBeta Pointer // [width], float32
	X             Pointer // [rows, width], float32
	Gamma         Pointer // [width], float32
	DY            Floats  // [rows, width]
	Addend        Pointer // [rows, width], float32, added to DX; it may be DX. 0 is none
	Scratch       Pointer // room for LayerNormScratch floats
}

// LayerNormScratch is the number of floats that LayerNormGrad needs: the parts of dgamma and of dbeta.
func LayerNormScratch(rows, width int) int {
	parts, _ := normParts(rows)
	return 2 * parts * width
}

// LayerNormGrad computes dx, dgamma and dbeta of LayerNorm (ref.LayerNormGrad). DX must be neither X nor DY.
func LayerNormGrad(g LayerNormGradient, rows, width int, epsilon float32) []Launch {
	parts, rowsPerPart := normParts(rows)
	threads, form := normBlock(width)
	shared := 0
	if form == "" {
		shared = 2 * 4 * width // the sums for dgamma and dbeta
	}
	return []Launch{{
		Source: "layer_norm", Kernel: "layer_norm_grad_" + g.DY.name() + form, Grid: grid(parts, 1), Block: threads, Shared: shared,
		Args: []any{g.DX, g.Copy, g.Scratch, g.X, g.Gamma, g.DY.At, g.Addend, int32(rows), int32(width), int32(rowsPerPart), epsilon},
	}, {
		Source: "layer_norm", Kernel: "layer_norm_grad_weights", Grid: grid(ceilDiv(width, 32), 2), Block: 256,
		Args: []any{g.DGamma, g.DBeta, g.Scratch, int32(parts), int32(width)},
	}}
}
