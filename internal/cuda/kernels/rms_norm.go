package kernels

// RMSNorm divides the rows of x [rows, width] in float32 by the root of their mean square (ref.RMSNorm); gamma is [width].
func RMSNorm(dst Floats, x, gamma Pointer, rows, width int, epsilon float32) Launch {
	blocks, rowsPerBlock := normRuns(rows)
	threads, form := normBlock(width)
	return Launch{
		Source: "rms_norm", Kernel: "rms_norm_" + dst.name() + form, Grid: grid(blocks, 1), Block: threads,
		Args: []any{dst.At, x, gamma, int32(rows), int32(width), int32(rowsPerBlock), epsilon},
	}
}

// RMSNormGradient is what RMSNormGrad reads and writes.
type RMSNormGradient struct {
	DX      Pointer // [rows, width], float32
	Copy    Pointer // DX rounded to bfloat16, in rows of PitchBF16(width), or 0
	DGamma  Pointer // [width], float32
	X       Pointer // [rows, width], float32
	Gamma   Pointer // [width], float32
	DY      Floats  // [rows, width]
	Addend  Pointer // [rows, width], float32, added to DX; it may be DX. 0 is none
	Scratch Pointer // room for RMSNormScratch floats
}

// RMSNormScratch is the number of floats that RMSNormGrad needs: the parts of dgamma.
func RMSNormScratch(rows, width int) int {
	parts, _ := normParts(rows)
	return parts * width
}

// RMSNormGrad computes dx and dgamma of RMSNorm (ref.RMSNormGrad). DX must be neither X nor DY.
func RMSNormGrad(g RMSNormGradient, rows, width int, epsilon float32) []Launch {
	parts, rowsPerPart := normParts(rows)
	threads, form := normBlock(width)
	shared := 0
	if form == "" {
		shared = 4 * width // the sums for dgamma
	}
	return []Launch{{
		Source: "rms_norm", Kernel: "rms_norm_grad_" + g.DY.name() + form, Grid: grid(parts, 1), Block: threads, Shared: shared,
		Args: []any{g.DX, g.Copy, g.Scratch, g.X, g.Gamma, g.DY.At, g.Addend, int32(rows), int32(width), int32(rowsPerPart), epsilon},
	}, {
		Source: "rms_norm", Kernel: "rms_norm_grad_weights", Grid: grid(ceilDiv(width, 32), 1), Block: 256,
		Args: []any{g.DGamma, g.Scratch, int32(parts), int32(width)},
	}}
}
