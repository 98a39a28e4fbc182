package vec

import (
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// expCoefficients are c2 to c6 of exp(r) = 1 + r + r²(c2 + c3·r + ... + c6·r⁴) on |r| <= ln2/2: the polynomial of least relative
// error, 3.1e-9, with the first two coefficients fixed.
var expCoefficients = [...]float32{0.49999993, 0.1666652, 0.041668394, 0.0083687804, 0.0013814467}

// Beyond these bounds exp rounds to 0 and overflows to +Inf in float32.
const (
	expLowest  = -104
	expHighest = 89
)

// ln2 in two parts: ln2High has 9 bits, so that n·ln2High is exact, and ln2Low is the rest.
const (
	ln2High = 0.693359375
	ln2Low  = math.Ln2 - ln2High
)

// Exp writes exponentials. It is made by Vec.Exp.
type Exp struct {
	v                           Vec
	highest, lowest             operand.Op
	log2e, ln2High, ln2Low, one operand.Op
	coefficients                [len(expCoefficients)]operand.Op
}

// Exp prepares exponentials: it emits the loads of the constants.
func (v Vec) Exp() Exp {
	e := Exp{
		v:       v,
		highest: v.Constant(expHighest), lowest: v.Constant(expLowest),
		log2e: v.Constant(math.Log2E), ln2High: v.Constant(ln2High), ln2Low: v.Constant(ln2Low), one: v.Constant(1),
	}
	for i, c := range expCoefficients {
		e.coefficients[i] = v.Constant(c)
	}
	return e
}

// One is the operand 1, which Exp holds anyway.
func (e Exp) One() operand.Op { return e.one }

// Of emits x = exp(x) in place, within 1 ulp, subnormal results included: 0 and +Inf where it leaves the range of float32, NaN of NaN.
// It is 2ⁿ·exp(r) with n = round(x/ln2) and r = x - n·ln2.
func (e Exp) Of(x reg.VecVirtual) {
	// The minimum and maximum instructions return their first operand in Go's order where x is NaN.
	build.VMINPS(x, e.v.load(e.highest), x)
	build.VMAXPS(x, e.v.load(e.lowest), x)

	n := e.v.Register()
	build.VMULPS(e.log2e, x, n)
	const nearest = 8 // to nearest even, without an exception flag
	if e.v.wide() {
		build.VRNDSCALEPS(operand.U8(nearest), n, n)
	} else {
		build.VROUNDPS(operand.U8(nearest), n, n)
	}
	build.VFNMADD231PS(e.ln2High, n, x)
	build.VFNMADD231PS(e.ln2Low, n, x)

	p := e.v.Register()
	build.VMOVUPS(e.coefficients[len(e.coefficients)-1], p)
	for i := len(e.coefficients) - 2; i >= 0; i-- {
		build.VFMADD213PS(e.coefficients[i], x, p)
	}
	build.VFMADD213PS(e.one, x, p)
	build.VFMADD213PS(e.one, x, p)

	if e.v.wide() {
		build.VSCALEFPS(n, p, x)
		return
	}
	// 2ⁿ may be no float32, so it is multiplied in as two powers. Shifted into the exponent and added to the bits of 1, an
	// integer i becomes 2ⁱ.
	build.VCVTPS2DQ(n, n)
	build.VPSRAD(operand.U8(1), n, x)
	build.VPSUBD(x, n, n)
	for _, power := range []reg.VecVirtual{x, n} {
		build.VPSLLD(operand.U8(23), power, power)
		build.VPADDD(e.one, power, power)
	}
	build.VMULPS(x, p, p)
	build.VMULPS(n, p, x)
}
