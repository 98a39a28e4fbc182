package main

import (
	"github.com/mmcloughlin/avo/build"

	"trainer/internal/cpu/kernel/_asm/vec"
)

func swiGLU(v vec.Vec) {
	v.Function("swiGLU", "func(dst, gate, up *float32, n int)", "computes dst = gate/(1 + exp(-gate))·up.")
	dst, gate, up := vec.IntegerParam("dst"), vec.IntegerParam("gate"), vec.IntegerParam("up")
	exp, zero := v.Exp(), v.Zero()
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		g, e := s.Load(gate), v.Register()
		build.VSUBPS(g, zero, e)
		exp.Of(e)
		build.VADDPS(exp.One(), e, e)
		build.VDIVPS(e, g, g)
		build.VMULPS(s.Load(up), g, g)
		s.Store(g, dst)
	})
	vec.Return()
}

// swiGLUGrad works with e = exp(-|gate|), which is never above 1: 1/(1 + e) is the larger of s and 1 - s, and e/(1 + e) the smaller.
// With silu = gate·s, silu' = s + silu·(1 - s).
func swiGLUGrad(v vec.Vec) {
	v.Function("swiGLUGrad", "func(dgate, dup, gate, up, dy *float32, n int)",
		"computes with s = 1/(1 + exp(-gate)) dgate = dy·up·s·(1 + gate·(1 - s)) and dup = dy·gate·s.",
		"dgate may be gate and dup may be up.")
	dgate, dup, dy := vec.IntegerParam("dgate"), vec.IntegerParam("dup"), vec.IntegerParam("dy")
	gate, up := vec.IntegerParam("gate"), vec.IntegerParam("up")
	exp, abs, zero := v.Exp(), v.AbsMask(), v.Zero()
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, span vec.Span) {
		g, e := span.Load(gate), v.Register()
		build.VANDPS(abs, g, e)
		build.VSUBPS(e, zero, e)
		exp.Of(e)
		larger, smaller := v.Register(), v.Register()
		build.VADDPS(exp.One(), e, smaller)
		build.VMOVUPS(exp.One(), larger)
		build.VDIVPS(smaller, larger, larger)
		build.VMULPS(e, larger, smaller)
		s, rest := v.WhereNegative(g, smaller, larger), v.WhereNegative(g, larger, smaller)

		build.VMULPS(s, g, g) // silu
		build.VFMADD231PS(g, rest, s)
		dy := span.Load(dy)
		build.VMULPS(dy, g, g)
		build.VMULPS(span.Load(up), dy, dy)
		build.VMULPS(dy, s, s)
		span.Store(g, dup)
		span.Store(s, dgate)
	})
	vec.Return()
}
