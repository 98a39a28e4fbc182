package main

import (
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// log returns a new register with the natural logarithms of x, which is at least 1 and finite, or NaN. With x = m·2ⁿ and m in
// [√½, √2), log x = n·ln 2 + log m, and log m = 2s(1 + s²/3 + s⁴/5 + s⁶/7 + s⁸/9 + ...), s = (m-1)/(m+1), |s| < 0.172
// (Abramowitz and Stegun 4.1.27); what is left out is less than 3e-9 of it.
func (b block) log(x reg.VecVirtual) reg.VecVirtual {
	const rootHalf = 0x3f3504f3 // bits of √½
	bits := func(u uint32) reg.VecVirtual { return b.ConstantRegister(math.Float32frombits(u)) }

	n, m := b.Register(), b.Register()
	build.VPSUBD(bits(rootHalf), x, m)
	build.VPSRAD(operand.U8(23), m, n)
	build.VCVTDQ2PS(n, n)
	build.VPSLLD(operand.U8(9), m, m) // clears the sign and the exponent
	build.VPSRLD(operand.U8(9), m, m)
	build.VPADDD(bits(rootHalf), m, m)

	one := b.ConstantRegister(1)
	s, divisor, square := b.Register(), b.Register(), b.Register()
	build.VSUBPS(one, m, s)
	build.VADDPS(one, m, divisor)
	build.VDIVPS(divisor, s, s)
	build.VMULPS(s, s, square)
	series := b.ConstantRegister(2. / 9)
	for _, c := range []float32{2. / 7, 2. / 5, 2. / 3, 2} {
		build.VFMADD213PS(b.Constant(c), square, series)
	}
	build.VMULPS(s, series, series)
	build.VFMADD231PS(b.Constant(math.Ln2), n, series)
	build.VFMADD231PS(b.Zero(), x, series) // brings NaN through
	return series
}
