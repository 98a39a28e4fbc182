package main

import (
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

var minusInfinity = float32(math.Inf(-1))

func maximum(v vec.Vec) {
	v.Function("maximum", "func(x *float32, n int) float32", "returns the largest of x, -Inf of nothing. A NaN may be passed over.")
	x := vec.IntegerParam("x")
	low := v.ConstantRegister(minusInfinity)
	largest := make([]reg.VecVirtual, unroll)
	for u := range largest {
		largest[u] = v.Register()
		build.VMOVAPS(low, largest[u])
	}
	v.Over(vec.IntegerParam("n")).Each(unroll, func(u int, s vec.Span) {
		y := s.Load(x)
		v.Fill(y, low, s.Mask)
		build.VMAXPS(y, largest[u], largest[u])
	})
	for u := 1; u < unroll; u++ {
		build.VMAXPS(largest[u], largest[0], largest[0])
	}
	build.Store(v.Max(largest[0]), build.ReturnIndex(0))
	vec.Return()
}

func sumExp(v vec.Vec) {
	v.Function("sumExp", "func(x *float32, n int, shift float32) float32", "returns Σ exp(x - shift), summed in float32.")
	x, shift := vec.IntegerParam("x"), v.BroadcastParam("shift")
	exp := v.Exp()
	sum, low := v.Zero(), v.ConstantRegister(minusInfinity)
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		e := s.Load(x)
		v.Fill(e, low, s.Mask)
		build.VSUBPS(shift, e, e)
		exp.Of(e)
		build.VADDPS(e, sum, sum)
	})
	build.Store(v.Sum(sum), build.ReturnIndex(0))
	vec.Return()
}

func scaledExp(v vec.Vec) {
	v.Function("scaledExp", "func(dst, x *float32, n int, shift, scale float32)", "computes dst = scale·exp(x - shift). dst may be x.")
	dst, x := vec.IntegerParam("dst"), vec.IntegerParam("x")
	shift, scale := v.BroadcastParam("shift"), v.BroadcastParam("scale")
	exp := v.Exp()
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		e := s.Load(x)
		build.VSUBPS(shift, e, e)
		exp.Of(e)
		build.VMULPS(scale, e, e)
		s.Store(e, dst)
	})
	vec.Return()
}
