package vec

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Sum returns the sum of the lanes of x in a new register, in its first lane. x is left as it is.
func (v Vec) Sum(x reg.VecVirtual) reg.VecVirtual { return v.reduce(x, build.VADDPS) }

// Max returns the largest lane of x in a new register, in its first lane. x is left as it is.
func (v Vec) Max(x reg.VecVirtual) reg.VecVirtual { return v.reduce(x, build.VMAXPS) }

// Broadcast returns a new register with the first lane of x in every lane.
func (v Vec) Broadcast(x reg.VecVirtual) reg.VecVirtual {
	r := v.Register()
	build.VBROADCASTSS(x, r)
	return r
}

// reduce folds halves onto each other, always in the same order.
func (v Vec) reduce(x reg.VecVirtual, fold func(...operand.Op)) reg.VecVirtual {
	low, high := build.XMM(), build.XMM()
	half := x.AsY()
	if v.wide() {
		upper := build.YMM()
		build.VEXTRACTF64X4(operand.U8(1), x, upper)
		fold(half, upper, upper)
		half = upper
		build.VEXTRACTF32X4(operand.U8(1), half, high) // unlike VEXTRACTF128 it reaches the registers above 15
	} else {
		build.VEXTRACTF128(operand.U8(1), half, high)
	}
	fold(half.(reg.VecVirtual).AsX(), high, low)
	for _, swap := range []operand.U8{0x4e, 0xb1} { // the halves, then neighbours
		build.VPERMILPS(swap, low, high)
		fold(high, low, low)
	}
	return low
}
