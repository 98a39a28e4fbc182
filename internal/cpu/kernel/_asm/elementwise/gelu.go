package main

import (
	"math"

	"github.com/mmcloughlin/avo/build"

	"trainer/internal/cpu/kernel/_asm/vec"
)

// With u = √(2/π)(x + 0.044715x³) as in package ref, 2u = x·(linear + cubic·x²).
var (
	linear = 2 * math.Sqrt(2/math.Pi)
	cubic  = linear * 0.044715
)

// gelu uses ½(1 + tanh u) = 1/(1 + exp(-2u)): one exponential and one division.
func gelu(v vec.Vec) {
	v.Function("gelu", "func(dst, x *float32, n int)", "computes dst = x/(1 + exp(-2u)), u = √(2/π)(x + 0.044715x³). dst may be x.")
	dst, x := vec.IntegerParam("dst"), vec.IntegerParam("x")
	exp := v.Exp()
	minusLinear, minusCubic := v.Constant(float32(-linear)), v.ConstantRegister(float32(-cubic))
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		x := s.Load(x)
		e := v.Register()
		build.VMULPS(x, x, e)
		build.VFMADD213PS(minusLinear, minusCubic, e)
		build.VMULPS(x, e, e)
		exp.Of(e)
		build.VADDPS(exp.One(), e, e)
		build.VDIVPS(e, x, x)
		s.Store(x, dst)
	})
	vec.Return()
}

// geluGrad works with e = exp(-2|u|), which is never above 1: s = 1/(1 + e) is the larger of ½(1 ± t), e·s the smaller, and
// 1 - t² = 4·e·s² has no cancellation. So GELU' = ½(1 + t) + e·s²·x·(linear + 3·cubic·x²).
func geluGrad(v vec.Vec) {
	v.Function("geluGrad", "func(dst, x, dy *float32, n int)", "computes dst = dy·GELU'(x). dst may be x or dy.")
	dst, x, dy := vec.IntegerParam("dst"), vec.IntegerParam("x"), vec.IntegerParam("dy")
	exp := v.Exp()
	abs := v.AbsMask()
	minusLinear, minusCubic := v.Constant(float32(-linear)), v.ConstantRegister(float32(-cubic))
	plusLinear, plusCubic := v.Constant(float32(linear)), v.ConstantRegister(float32(3*cubic))
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		x := s.Load(x)
		square, e, slope := v.Register(), v.Register(), v.Register()
		build.VMULPS(x, x, square)
		build.VANDPS(abs, x, e)
		build.VMOVAPS(square, slope)
		build.VFMADD213PS(minusLinear, minusCubic, square)
		build.VFMADD213PS(plusLinear, plusCubic, slope)
		build.VMULPS(square, e, e)
		build.VMULPS(x, slope, slope)
		exp.Of(e)

		larger, smaller := v.Register(), v.Register()
		build.VADDPS(exp.One(), e, smaller)
		build.VMOVUPS(exp.One(), larger)
		build.VDIVPS(smaller, larger, larger)
		build.VMULPS(e, larger, smaller)
		half := v.WhereNegative(x, smaller, larger)
		build.VMULPS(smaller, larger, larger)
		build.VFMADD231PS(larger, slope, half)
		build.VMULPS(s.Load(dy), half, half)
		s.Store(half, dst)
	})
	vec.Return()
}
