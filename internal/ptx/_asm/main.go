// Command _asm writes the loops over lanes of the commonest float instructions in assembly: see lanewise_amd64.go, whose go:generate line
// runs it. A row holds a float32 in the lower half of each of 32 words of 64 bits, and zero in the upper half. As float32 they are 64
// numbers, of which every other is +0, and sums and products of +0 are +0 again: nothing has to be packed.
package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rowBytes is the size of a row, vectorBytes that of an AVX register.
const rowBytes, vectorBytes = 32 * 8, 32

func main() {
	build.ConstraintExpr("!noasm")
	operation("addFloats", "d = a + b", func(a, b operand.Op, _ operand.Mem, x reg.VecVirtual) { build.VADDPS(b, a, x) })
	operation("subtractFloats", "d = a - b", func(a, b operand.Op, _ operand.Mem, x reg.VecVirtual) { build.VSUBPS(b, a, x) })
	operation("multiplyFloats", "d = a·b", func(a, b operand.Op, _ operand.Mem, x reg.VecVirtual) { build.VMULPS(b, a, x) })
	operation("fuse", "d = a·b + c, rounded once", func(a, b operand.Op, c operand.Mem, x reg.VecVirtual) {
		build.VMOVUPS(b, x)
		build.VFMADD213PS(c, a, x)
	})
	build.Generate()
}

// operation writes the function that makes a row d of rows a, b and c; compute puts the results of a vector into x. b and c are in memory.
// All NaNs become one.
func operation(name, formula string, compute func(a, b operand.Op, c operand.Mem, x reg.VecVirtual)) {
	build.TEXT(name+"AVX2", build.NOSPLIT, "func(d, a, b, c *[32]uint64)")
	build.Doc(fmt.Sprintf("%sAVX2 computes %s for float32, with AVX2 and FMA; d may be any of the others.", name, formula))
	build.Pragma("noescape")
	d := build.Load(build.Param("d"), build.GP64())
	a := build.Load(build.Param("a"), build.GP64())
	b := build.Load(build.Param("b"), build.GP64())
	c := build.Load(build.Param("c"), build.GP64())
	nan := build.YMM()
	build.VPCMPEQD(nan, nan, nan)
	build.VPSRLD(operand.Imm(1), nan, nan) // 0x7fffffff
	for at := 0; at < rowBytes; at += vectorBytes {
		memory := func(p reg.Register) operand.Mem { return operand.Mem{Base: p, Disp: at} }
		x, y, unordered := build.YMM(), build.YMM(), build.YMM()
		build.VMOVUPS(memory(a), y)
		compute(y, memory(b), memory(c), x)
		build.VCMPPS(operand.Imm(3), x, x, unordered)
		build.VBLENDVPS(unordered, nan, x, x)
		build.VMOVUPS(x, memory(d))
	}
	build.RET()
}
