package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dots writes the columns of all keys at dst: lane i of column j is the product of row j of those at x, the keys or values, with
// transposed row i in scratch.
func (b block) dots(dst, x reg.GPVirtual, r rows) {
	stride, left := r.stride(), keys()

	loop := label("keys")
	build.Label(loop)
	pointers := neighbours(x, stride, tileKeys, left)
	var sums [tileKeys]reg.VecVirtual
	for i := range sums {
		sums[i] = b.column()
		b.clear(sums[i])
	}
	transposed, index, end := parameter("scratch"), zeroed(), build.GP64()
	depth := func(unroll int) {
		column := b.column()
		for u := range unroll {
			build.VMOVUPS(operand.Mem{Base: transposed, Disp: reciprocalBytes + u*b.columnBytes()}, column)
			for i, p := range pointers {
				b.addProduct(operand.Mem{Base: p, Index: index, Scale: 4, Disp: 4 * u}, column, sums[i])
			}
		}
		build.ADDQ(operand.I32(unroll*b.columnBytes()), transposed)
	}
	whole, rest, single, done := label("whole"), label("rest"), label("single"), label("summed")
	build.Label(whole)
	build.LEAQ(operand.Mem{Base: index, Disp: tileColumns}, end)
	build.CMPQ(end, address("headDim"))
	build.JG(operand.LabelRef(rest))
	depth(tileColumns)
	build.MOVQ(end, index)
	build.JMP(operand.LabelRef(whole))
	build.Label(rest)
	if b.wide() { // heads of AVX2 kernels have no rest
		build.Label(single)
		build.CMPQ(index, address("headDim"))
		build.JGE(operand.LabelRef(done))
		depth(1)
		build.INCQ(index)
		build.JMP(operand.LabelRef(single))
		build.Label(done)
	}
	for i, sum := range sums {
		build.VMOVUPS(sum, operand.Mem{Base: dst, Disp: i * b.columnBytes()})
	}
	build.ADDQ(operand.I32(tileKeys*b.columnBytes()), dst)
	build.LEAQ(operand.Mem{Base: x, Index: stride, Scale: tileKeys}, x)
	build.SUBQ(operand.I8(tileKeys), left)
	build.JG(operand.LabelRef(loop))
}

// clear sets r to zeros.
func (b block) clear(r reg.VecVirtual) {
	if b.wide() {
		build.VPXORD(r, r, r)
	} else {
		build.VXORPS(r, r, r)
	}
}

// addProduct emits sum += x times the float at memory.
func (b block) addProduct(memory operand.Mem, x, sum reg.VecVirtual) {
	if b.wide() {
		build.VFMADD231PS_BCST(memory, x, sum)
		return
	}
	factor := build.YMM()
	build.VBROADCASTSS(memory, factor)
	build.VFMADD231PS(factor, x, sum)
}

// product emits dst = x times the float at memory.
func (b block) product(memory operand.Mem, x, dst reg.VecVirtual) {
	if b.wide() {
		build.VMULPS_BCST(memory, x, dst)
		return
	}
	factor := build.YMM()
	build.VBROADCASTSS(memory, factor)
	build.VMULPS(factor, x, dst)
}
