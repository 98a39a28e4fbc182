package kernels

// normRuns divides rows among the blocks of a norm. Ten rows share what is read of gamma and beta, unless there are too few of them to keep a
// GPU busy.
func normRuns(rows int) (blocks, rowsPerBlock int) { return runs(rows, 512, 1, 10) }

// normParts divides rows among the blocks of a gradient. Each writes 8 bytes a column, which are read again, so they have at least 16
// rows of 12 bytes a column.
func normParts(rows int) (parts, rowsPerPart int) { return runs(rows, 1024, 16, rows) }

// normBlock is the size of the block that takes a row, and the form of the kernel: one that holds rows of up to 12288 columns in
// registers, 24 columns a thread, or, for other widths and those that 4 does not divide, one that does not.
func normBlock(width int) (threads int, form string) {
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
