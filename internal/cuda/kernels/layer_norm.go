package kernels

// LayerNorm normalises the rows of x [rows, width] in float32 (ref.LayerNorm); gamma and beta are [width].
func LayerNorm(dst Floats, x, gamma, beta Pointer, rows, width int, epsilon float32) Launch {
	// Ten rows share what is read of gamma and beta, unless there are too few of them to keep a GPU busy.
	blocks, rowsPerBlock := runs(rows, 512, 1, 10)
	threads, form := layerNormBlock(width)
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
	parts, _ := layerNormParts(rows)
	return 2 * parts * width
}

// LayerNormGrad computes dx, dgamma and dbeta of LayerNorm (ref.LayerNormGrad). DX must be neither X nor DY.
func LayerNormGrad(g LayerNormGradient, rows, width int, epsilon float32) []Launch {
	parts, rowsPerPart := layerNormParts(rows)
	threads, form := layerNormBlock(width)
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

// layerNormParts divides rows among the blocks of a gradient. Each writes 8 bytes a column, which are read again, so they have at least 16
// rows of 12 bytes a column.
func layerNormParts(rows int) (parts, rowsPerPart int) { return runs(rows, 1024, 16, rows) }

// layerNormBlock is the size of the block that takes a row, and the form of the kernel: one that holds rows of up to 12288 columns in
// registers, 24 columns a thread, or, for other widths and those that 4 does not divide, one that does not.
func layerNormBlock(width int) (threads int, form string) {
	if width%4 != 0 || width > 24*512 {
		return min(ceilDiv(width, 32)*32, 512), "_any"
	}
	return ceilDiv(width, 24*32) * 32, ""
}

// runs divides rows into runs of equal length, but for the last: `count` of them, or fewer or more where a run would else have less than
// `least` rows or more than `most`.
func runs(rows, count, least, most int) (runs, rowsPerRun int) {
	rowsPerRun = max(least, min(ceilDiv(rows, count), most))
	return ceilDiv(rows, rowsPerRun), rowsPerRun
}
