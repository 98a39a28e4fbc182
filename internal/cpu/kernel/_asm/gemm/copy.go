package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// copyPanels writes the function that copies a row of B to packed panels. Go's copy, of 128 bytes at a time, takes twice as long.
func copyPanels() {
	TEXT("gemmCopyAVX512", NOSPLIT, "func(dst *float32, dstPanel int, src *float32, n int)")
	Doc("gemmCopyAVX512 is gemmCopyGo for panels of 32 floats.")
	Pragma("noescape")
	dst, dstPanel := Load(Param("dst"), GP64()), Load(Param("dstPanel"), GP64())
	src, n := Load(Param("src"), GP64()), Load(Param("n"), GP64())
	SHLQ(U8(2), dstPanel)
	Label("copy32")
	CMPQ(n, U8(32))
	JL(LabelRef("rest"))
	for v := range 2 {
		VMOVUPS(Mem{Base: src, Disp: 64 * v}, zmm[v])
		VMOVUPS(zmm[v], Mem{Base: dst, Disp: 64 * v})
	}
	ADDQ(dstPanel, dst)
	ADDQ(I32(128), src)
	SUBQ(U8(32), n)
	JMP(LabelRef("copy32"))

	Label("rest")
	TESTQ(n, n)
	JE(LabelRef("done"))
	masks := []reg.OpmaskPhysical{reg.K1, reg.K2}
	firstLanes(n, masks[0], masks[1])
	for v, mask := range masks {
		VMOVUPS_Z(Mem{Base: src, Disp: 64 * v}, mask, zmm[v])
		VMOVUPS(zmm[v], mask, Mem{Base: dst, Disp: 64 * v})
	}
	Label("done")
	VZEROUPPER()
	RET()
}
