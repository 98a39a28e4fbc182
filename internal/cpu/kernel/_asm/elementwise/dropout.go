package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

func dropout(v vec.Vec) {
	v.Function("dropout", "func(dst, x *float32, n int, first, second, threshold uint32, scale float32)",
		"computes a row of ref.Dropout, whose ref.DropoutRow is first and second: dst = scale·x where",
		"the bits of the column are not below the threshold, else 0. dst may be x.")
	dst, x := vec.IntegerParam("dst"), vec.IntegerParam("x")
	second, threshold, scale := v.BroadcastParam("second"), v.BroadcastParam("threshold"), v.BroadcastParam("scale")
	multipliers := [2]reg.VecVirtual{v.IntegerRegister(0x7feb352d), v.IntegerRegister(0x846ca68b)}
	next := v.IntegerRegister(uint32(v.Lanes))
	column := v.Iota()
	build.VPADDD(v.BroadcastParam("first"), column, column) // first + j of each lane

	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		h, shifted := v.Register(), v.Register()
		build.VPSRLD(operand.U8(16), column, shifted)
		build.VXORPS(column, shifted, h)
		build.VPMULLD(multipliers[0], h, h)
		build.VXORPS(second, h, h)
		build.VPSRLD(operand.U8(15), h, shifted)
		build.VXORPS(shifted, h, h)
		build.VPMULLD(multipliers[1], h, h)
		build.VPSRLD(operand.U8(16), h, shifted)
		build.VXORPS(shifted, h, h)

		y := s.Load(x)
		build.VMULPS(scale, y, y)
		v.KeepWhereAtLeast(y, h, threshold)
		s.Store(y, dst)
		build.VPADDD(next, column, column)
	})
	vec.Return()
}
