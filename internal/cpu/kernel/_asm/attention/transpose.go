package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

// transpose writes the block's rows, the first of them at row, times scale, as columns into scratch. It works on tiles of 8 rows by
// 8 columns; a tile that the head does not fill is filled with zeros.
func (b block) transpose(row reg.GPVirtual, r rows) {
	stride := r.stride()
	for group := 0; group < b.queries; group += tileColumns {
		if group > 0 {
			row = nextRow(row, stride, group, address("queries"))
		}
		pointers := []reg.GPVirtual{row}
		for i := 1; i < tileColumns; i++ {
			row = nextRow(row, stride, group+i, address("queries"))
			pointers = append(pointers, row)
		}
		b.transposeRows(pointers, reciprocalBytes+4*group)
	}
}

// transposeRows does the 8 rows at those pointers, into 8 lanes of each column, disp bytes behind scratch.
func (b block) transposeRows(pointers []reg.GPVirtual, disp int) {
	dst, left, index := parameter("scratch"), parameter("headDim"), zeroed()
	scale := build.YMM()
	build.VBROADCASTSS(address("scale"), scale)

	loop := label("transpose")
	build.Label(loop)
	tail := b.firstOf(left, tileColumns)
	var tile [tileColumns]reg.VecVirtual
	for i, p := range pointers {
		tile[i] = build.YMM()
		memory := operand.Mem{Base: p, Index: index, Scale: 4}
		if b.wide() {
			build.VMOVUPS_Z(memory, tail, tile[i])
		} else {
			build.VMOVUPS(memory, tile[i])
		}
	}
	for i, column := range transposed(tile) {
		build.VMULPS(scale, column, column)
		build.VMOVUPS(column, operand.Mem{Base: dst, Disp: disp + i*b.columnBytes()})
	}
	build.ADDQ(operand.I32(tileColumns*b.columnBytes()), dst)
	build.ADDQ(operand.I8(tileColumns), index)
	build.SUBQ(operand.I8(tileColumns), left)
	build.JG(operand.LabelRef(loop))
}

// transposed returns the columns of a tile: neighbours are interleaved by one, then by two, then by four elements.
func transposed(tile [tileColumns]reg.VecVirtual) (columns [tileColumns]reg.VecVirtual) {
	interleave := func(op func(...operand.Op), low, high reg.VecVirtual) reg.VecVirtual {
		r := build.YMM()
		op(high, low, r)
		return r
	}
	for half := 0; half < 8; half += 4 {
		a, b, c, d := tile[half], tile[half+1], tile[half+2], tile[half+3]
		ab, cd := interleave(build.VUNPCKLPS, a, b), interleave(build.VUNPCKLPS, c, d)
		abHigh, cdHigh := interleave(build.VUNPCKHPS, a, b), interleave(build.VUNPCKHPS, c, d)
		tile[half], tile[half+1] = interleave(build.VUNPCKLPD, ab, cd), interleave(build.VUNPCKHPD, ab, cd)
		tile[half+2], tile[half+3] = interleave(build.VUNPCKLPD, abHigh, cdHigh), interleave(build.VUNPCKHPD, abHigh, cdHigh)
	}
	for i := range 4 {
		columns[i], columns[4+i] = build.YMM(), build.YMM()
		build.VPERM2F128(operand.U8(0x20), tile[4+i], tile[i], columns[i])
		build.VPERM2F128(operand.U8(0x31), tile[4+i], tile[i], columns[4+i])
	}
	return columns
}

// firstOf returns a mask of the first min(left, n) lanes for a kernel of AVX-512. Heads of AVX2 kernels fill their vectors, so
// that there is nothing to mask.
func (b block) firstOf(left reg.GPVirtual, n int) vec.Mask {
	if !b.wide() {
		return nil
	}
	lanes := build.GP64()
	build.MOVQ(operand.I32(n), lanes)
	build.CMPQ(left, lanes)
	build.CMOVQLT(left, lanes)
	return b.FirstLanes(lanes)
}
