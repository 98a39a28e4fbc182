package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"

	"trainer/internal/cpu/kernel/_asm/vec"
)

func rotary(v vec.Vec) {
	v.Function("rotary", "func(dst, x, cos, sin *float32, heads, half int, direction float32)",
		"turns heads of 2·half components, one behind the other, by angles of cos and sin [half]:",
		"with s = direction·sin, (a, b) becomes (a·cos - b·s, a·s + b·cos). dst may be x.")
	dst, x := vec.IntegerParam("dst"), vec.IntegerParam("x")
	cos, sin := vec.IntegerParam("cos"), vec.IntegerParam("sin")
	heads, half := vec.IntegerParam("heads"), vec.IntegerParam("half")
	direction := v.BroadcastParam("direction")
	pairs := v.Over(half)
	vec.Repeat(heads, func() {
		dst2, x2 := build.GP64(), build.GP64()
		build.LEAQ(operand.Mem{Base: dst, Index: half, Scale: 4}, dst2)
		build.LEAQ(operand.Mem{Base: x, Index: half, Scale: 4}, x2)
		pairs.Each(1, func(_ int, s vec.Span) {
			a, b, cos, sin := s.Load(x), s.Load(x2), s.Load(cos), s.Load(sin)
			build.VMULPS(direction, sin, sin)
			first, second := v.Register(), v.Register()
			build.VMULPS(b, sin, first)
			build.VFMSUB231PS(a, cos, first)
			build.VMULPS(a, sin, second)
			build.VFMADD231PS(b, cos, second)
			s.Store(first, dst)
			s.Store(second, dst2)
		})
		build.LEAQ(operand.Mem{Base: dst2, Index: half, Scale: 4}, dst)
		build.LEAQ(operand.Mem{Base: x2, Index: half, Scale: 4}, x)
	})
	vec.Return()
}
