package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes the function that stores the transpose of a strip src [rows, k], at most lanes rows, in dst [k, lanes], where
// k ≥ lanes. It goes by squares of lanes·lanes, the last of which ends at k and may overlap the one before. square gets the
// vectors of lanes rows and returns those of the columns. Where rows are missing the last one stands in for them.
func transpose(name string, lanes int, vector func() reg.VecVirtual, square func(rows []reg.VecVirtual) []reg.VecVirtual) {
	TEXT("gemmTranspose"+name, NOSPLIT, "func(dst *float32, dstRow int, src *float32, srcRow, rows, k int)")
	Doc("gemmTranspose"+name+" is gemmTransposeGo for one strip of at most as many rows as a vector has lanes and at least as many columns.",
		"It writes all lanes, also those beyond rows, which get copies of the last row.")
	Pragma("noescape")
	dst, src := Load(Param("dst"), GP64()), Load(Param("src"), GP64())
	dstRow, srcRow := Load(Param("dstRow"), GP64()), Load(Param("srcRow"), GP64())
	k := Load(Param("k"), GP64())
	SHLQ(U8(2), dstRow)
	SHLQ(U8(2), srcRow)
	Comment("The strip behind this one is fetched ahead: rows are short, and the next one is on another page.")
	ahead := GP64()
	IMUL3Q(U8(lanes), srcRow, ahead)

	Label("square")
	from, left, zero := GP64(), Load(Param("rows"), GP64()), GP64()
	XORQ(zero, zero)
	MOVQ(src, from)
	rows := make([]reg.VecVirtual, lanes)
	for i := range rows {
		rows[i] = vector()
		VMOVUPS(Mem{Base: from}, rows[i])
		PREFETCHT0(Mem{Base: from, Index: ahead, Scale: 1})
		if i == lanes-1 {
			break
		}
		step := GP64()
		MOVQ(srcRow, step)
		DECQ(left)
		CMOVQLE(zero, step)
		ADDQ(step, from)
	}
	to := GP64()
	MOVQ(dst, to)
	for _, column := range square(rows) {
		VMOVUPS(column, Mem{Base: to})
		ADDQ(dstRow, to)
	}
	SUBQ(U8(lanes), k)
	JE(LabelRef("done"))
	Comment("The next square begins after this one, or so far before that it ends at k.")
	step, full := GP64(), GP64()
	MOVQ(k, step)
	MOVQ(U32(lanes), full)
	CMPQ(step, full)
	CMOVQGT(full, step)
	LEAQ(Mem{Base: src, Index: step, Scale: 4}, src)
	CMPQ(k, full)
	CMOVQLT(full, k)
	IMULQ(dstRow, step)
	ADDQ(step, dst)
	JMP(LabelRef("square"))

	Label("done")
	VZEROUPPER()
	RET()
}

// quads transposes squares of 4·4 inside the 128-bit lanes: vector 4g+j has in lane l the column 4l+j of the rows 4g to 4g+3.
func quads(rows []reg.VecVirtual, vector func() reg.VecVirtual) []reg.VecVirtual {
	pairs := make([]reg.VecVirtual, len(rows))
	for i := 0; i < len(rows); i += 2 {
		pairs[i], pairs[i+1] = vector(), vector()
		VUNPCKLPS(rows[i+1], rows[i], pairs[i])
		VUNPCKHPS(rows[i+1], rows[i], pairs[i+1])
	}
	out := make([]reg.VecVirtual, len(rows))
	for g := 0; g < len(rows); g += 4 {
		for j := range 2 {
			low, high := pairs[g+j], pairs[g+2+j]
			out[g+2*j], out[g+2*j+1] = vector(), vector()
			VUNPCKLPD(high, low, out[g+2*j])
			VUNPCKHPD(high, low, out[g+2*j+1])
		}
	}
	return out
}

// transpose16 writes the transpose for AVX-512.
func transpose16() { transpose("AVX512", 16, ZMM, columns16) }

// columns16 transposes a square of 16·16.
func columns16(rows []reg.VecVirtual) []reg.VecVirtual {
	const even, odd = 0b10_00_10_00, 0b11_01_11_01 // the lanes that a shuffle takes from each operand
	q := quads(rows, ZMM)
	columns := make([]reg.VecVirtual, 16)
	for j := range 4 {
		for half, lanes := range []uint8{even, odd} {
			top, bottom := ZMM(), ZMM()
			VSHUFF32X4(U8(lanes), q[4+j], q[j], top)
			VSHUFF32X4(U8(lanes), q[12+j], q[8+j], bottom)
			columns[4*half+j], columns[4*half+8+j] = ZMM(), ZMM()
			VSHUFF32X4(U8(even), bottom, top, columns[4*half+j])
			VSHUFF32X4(U8(odd), bottom, top, columns[4*half+8+j])
		}
	}
	return columns
}

// transpose8 writes the transpose for AVX2.
func transpose8() { transpose("AVX2", 8, YMM, columns8) }

// columns8 transposes a square of 8·8.
func columns8(rows []reg.VecVirtual) []reg.VecVirtual {
	const low, high = 0x20, 0x31 // the lanes that a permutation takes from both operands
	q := quads(rows, YMM)
	columns := make([]reg.VecVirtual, 8)
	for j := range 4 {
		columns[j], columns[4+j] = YMM(), YMM()
		VPERM2F128(U8(low), q[4+j], q[j], columns[j])
		VPERM2F128(U8(high), q[4+j], q[j], columns[4+j])
	}
	return columns
}
