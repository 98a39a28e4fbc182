package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The instructions of AVX512-BF16, which neither avo nor Go's assembler knows, are written as bytes; so their registers are
// physical ones.

// vdpbf16ps adds to the floats of sum the products of the pairs of bfloat16 in the words of a and b: first that of the upper halves.
func vdpbf16ps(a, b, sum reg.VecPhysical) { evex(2, 0x52, a, b, sum) }

// vcvtne2ps2bf16 rounds the floats of low and high to bfloat16, into the lower and the upper half of dst.
func vcvtne2ps2bf16(low, high, dst reg.VecPhysical) { evex(3, 0x72, low, high, dst) }

// evex writes an instruction of the opcode map 0F38 on three ZMM registers (Intel 64 and IA-32 Architectures Software Developer's
// Manual, volume 2, section 2.7). Register numbers are spread over the prefix, inverted, and the byte behind the opcode.
func evex(prefix uint8, opcode uint8, rm, vvvv, dst reg.VecPhysical) {
	const escape, map0F38, length512, direct = 0x62, 2, 2 << 5, 3 << 6
	bit := func(r reg.VecPhysical, n int) uint8 { return uint8(r.PhysicalIndex()) >> n & 1 }
	low := func(r reg.VecPhysical, bits int) uint8 { return uint8(r.PhysicalIndex()) & (1<<bits - 1) }
	not := func(b uint8) uint8 { return b ^ 1 }
	bytes := []uint8{
		escape,
		not(bit(dst, 3))<<7 | not(bit(rm, 4))<<6 | not(bit(rm, 3))<<5 | not(bit(dst, 4))<<4 | map0F38,
		(low(vvvv, 4)^15)<<3 | 1<<2 | prefix,
		length512 | not(bit(vvvv, 4))<<3,
		opcode,
		direct | low(dst, 3)<<3 | low(rm, 3),
	}
	for i, b := range bytes {
		in := &ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(b)}}
		if i == len(bytes)-1 { // the last one stands for all in the allocation of registers
			in.Inputs, in.Outputs = []Op{rm, vvvv, dst}, []Op{dst}
		}
		Instruction(in)
	}
}

// roundBF16 writes the function that packs a row of op(A) stored as it is, pairs of neighbours in a word.
func roundBF16() {
	TEXT("gemmRoundAVX512BF16", NOSPLIT, "func(dst, src *float32, n int)")
	Doc("gemmRoundAVX512BF16 is gemmRoundGo.")
	Pragma("noescape")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	low, high := zmm[0], zmm[1]
	Label("round32")
	CMPQ(n, U8(32))
	JL(LabelRef("rest"))
	VMOVUPS(Mem{Base: src}, low)
	VMOVUPS(Mem{Base: src, Disp: 64}, high)
	vcvtne2ps2bf16(low, high, low)
	VMOVUPS(low, Mem{Base: dst})
	ADDQ(U8(64), dst)
	ADDQ(I32(128), src)
	SUBQ(U8(32), n)
	JMP(LabelRef("round32"))

	Label("rest")
	TESTQ(n, n)
	JE(LabelRef("done"))
	firstLanes(n, reg.K1, reg.K2)
	VMOVUPS_Z(Mem{Base: src}, reg.K1, low)
	VMOVUPS_Z(Mem{Base: src, Disp: 64}, reg.K2, high)
	vcvtne2ps2bf16(low, high, low)
	INCQ(n)
	SHRQ(U8(1), n)
	firstLanes(n, reg.K1, reg.K2)
	VMOVUPS(low, reg.K1, Mem{Base: dst})
	Label("done")
	VZEROUPPER()
	RET()
}

// firstLanes sets the masks of the first n of the 32 lanes of two vectors; n is at most 32.
func firstLanes(n reg.Register, first, second reg.OpmaskPhysical) {
	bits, shift := GP64(), reg.RCX
	MOVQ(n, shift)
	MOVQ(U32(1), bits)
	SHLQ(reg.CL, bits)
	DECQ(bits)
	KMOVW(bits.As32(), first)
	SHRQ(U8(16), bits)
	KMOVW(bits.As32(), second)
}

// pairBF16 writes the function that packs two rows of a matrix whose columns run along k: words of one element of each.
func pairBF16() {
	TEXT("gemmPairAVX512BF16", NOSPLIT, "func(dst *float32, dstPanel int, first, second *float32, n int)")
	Doc("gemmPairAVX512BF16 is gemmPairGo with a second row.")
	Pragma("noescape")
	order := GLOBL("gemmPairOrder", attr.RODATA|attr.NOPTR)
	for j := range 16 {
		DATA(4*j, U32((16+j)<<16|j))
	}
	dst, dstPanel := Load(Param("dst"), GP64()), Load(Param("dstPanel"), GP64())
	first, second, n := Load(Param("first"), GP64()), Load(Param("second"), GP64()), Load(Param("n"), GP64())
	SHLQ(U8(2), dstPanel)
	rows, interleave := [2][2]reg.VecPhysical{{zmm[0], zmm[1]}, {zmm[2], zmm[3]}}, zmm[4]
	VMOVUPS(order, interleave)
	words := func(v int) reg.VecPhysical {
		vcvtne2ps2bf16(rows[0][v], rows[1][v], rows[0][v])
		VPERMW(rows[0][v], interleave, rows[0][v])
		return rows[0][v]
	}

	Label("pair32")
	CMPQ(n, U8(32))
	JL(LabelRef("rest"))
	for v := range 2 {
		VMOVUPS(Mem{Base: first, Disp: 64 * v}, rows[0][v])
		VMOVUPS(Mem{Base: second, Disp: 64 * v}, rows[1][v])
		VMOVUPS(words(v), Mem{Base: dst, Disp: 64 * v})
	}
	ADDQ(dstPanel, dst)
	ADDQ(I32(128), first)
	ADDQ(I32(128), second)
	SUBQ(U8(32), n)
	JMP(LabelRef("pair32"))

	Label("rest")
	TESTQ(n, n)
	JE(LabelRef("done"))
	masks := [2]reg.OpmaskPhysical{reg.K1, reg.K2}
	firstLanes(n, masks[0], masks[1])
	for v, mask := range masks {
		VMOVUPS_Z(Mem{Base: first, Disp: 64 * v}, mask, rows[0][v])
		VMOVUPS_Z(Mem{Base: second, Disp: 64 * v}, mask, rows[1][v])
		VMOVUPS(words(v), mask, Mem{Base: dst, Disp: 64 * v})
	}
	Label("done")
	VZEROUPPER()
	RET()
}
