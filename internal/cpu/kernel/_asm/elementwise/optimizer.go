package main

import (
	"github.com/mmcloughlin/avo/build"

	"trainer/internal/cpu/kernel/_asm/vec"
)

func adamW(v vec.Vec) {
	v.Function("adamW", "func(p, m, v, grad *float32, n int, gradScale, beta1, rest1, beta2, rest2, rootScale, epsilon, decay, step float32)",
		"computes g' = gradScale·grad; m = beta1·m + rest1·g'; v = beta2·v + rest2·g'²;",
		"p = p - (decay·p + step·m/(rootScale·√v + epsilon)), in place.")
	p, m, second, g := vec.IntegerParam("p"), vec.IntegerParam("m"), vec.IntegerParam("v"), vec.IntegerParam("grad")
	n := vec.IntegerParam("n")
	gradScale := v.BroadcastParam("gradScale")
	beta1, rest1 := v.BroadcastParam("beta1"), v.BroadcastParam("rest1")
	beta2, rest2 := v.BroadcastParam("beta2"), v.BroadcastParam("rest2")
	rootScale, epsilon := v.BroadcastParam("rootScale"), v.BroadcastParam("epsilon")
	decay, step := v.BroadcastParam("decay"), v.BroadcastParam("step")
	v.Over(n).Each(1, func(_ int, s vec.Span) {
		grad, t := s.Load(g), v.Register()
		build.VMULPS(gradScale, grad, grad)
		mean := s.Load(m)
		build.VMULPS(rest1, grad, t)
		build.VFMADD213PS(t, beta1, mean)
		s.Store(mean, m)

		square := s.Load(second)
		build.VMULPS(rest2, grad, t)
		build.VMULPS(grad, t, t)
		build.VFMADD213PS(t, beta2, square)
		s.Store(square, second)

		build.VSQRTPS(square, t)
		build.VFMADD213PS(epsilon, rootScale, t)
		build.VMULPS(step, mean, mean)
		build.VDIVPS(t, mean, mean)
		weight := s.Load(p)
		build.VFMADD231PS(weight, decay, mean)
		build.VSUBPS(mean, weight, weight)
		s.Store(weight, p)
	})
	vec.Return()
}

func sgd(v vec.Vec) {
	v.Function("sgd", "func(p, grad *float32, n int, lr float32)", "computes p = p - lr·grad, in place.")
	p, g, lr := vec.IntegerParam("p"), vec.IntegerParam("grad"), v.BroadcastParam("lr")
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		weight := s.Load(p)
		build.VFNMADD231PS(s.Load(g), lr, weight)
		s.Store(weight, p)
	})
	vec.Return()
}
