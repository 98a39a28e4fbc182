package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

// rootMeanSquare emits 1/√(mean square + epsilon) of the row at x in every lane.
func rootMeanSquare(v vec.Vec, row vec.Loop, x reg.GPVirtual, inverse, epsilon reg.VecVirtual) reg.VecVirtual {
	squares := accumulators(v)
	row.Each(unroll, func(u int, s vec.Span) {
		x := s.Load(x)
		build.VFMADD231PS(x, x, squares[u])
	})
	return inverseRoot(v, total(v, squares), inverse, epsilon)
}

func rmsNorm(v vec.Vec) {
	v.Function("rmsNorm", "func(dst, x, gamma *float32, rows, c int, epsilon, inverse float32)",
		"computes dst = x·r·gamma, r = 1/√(mean(x²) + epsilon), for each row of x [rows, c]; inverse is 1/c.")
	dst, x, gamma := vec.IntegerParam("dst"), vec.IntegerParam("x"), vec.IntegerParam("gamma")
	rows, c := vec.IntegerParam("rows"), vec.IntegerParam("c")
	epsilon, inverse := v.BroadcastParam("epsilon"), v.BroadcastParam("inverse")
	row := v.Over(c)
	vec.Repeat(rows, func() {
		r := rootMeanSquare(v, row, x, inverse, epsilon)
		row.Each(1, func(_ int, s vec.Span) {
			y := s.Load(x)
			build.VMULPS(r, y, y)
			build.VMULPS(s.Load(gamma), y, y)
			s.Store(y, dst)
		})
		advance(x, c)
		advance(dst, c)
	})
	vec.Return()
}

func rmsNormGrad(v vec.Vec) {
	v.Function("rmsNormGrad", "func(dx, dgamma, x, gamma, dy *float32, rows, c int, epsilon, inverse float32)",
		"computes with n = x·r and g = dy·gamma, for each row of x and dy [rows, c],",
		"dx = r·(g - n·mean(g·n)), dgamma += dy·n; inverse is 1/c.")
	dx, dgamma := vec.IntegerParam("dx"), vec.IntegerParam("dgamma")
	x, gamma, dy := vec.IntegerParam("x"), vec.IntegerParam("gamma"), vec.IntegerParam("dy")
	rows, c := vec.IntegerParam("rows"), vec.IntegerParam("c")
	epsilon, inverse := v.BroadcastParam("epsilon"), v.BroadcastParam("inverse")
	row := v.Over(c)
	vec.Repeat(rows, func() {
		r := rootMeanSquare(v, row, x, inverse, epsilon)
		normal := func(s vec.Span) reg.VecVirtual {
			n := s.Load(x)
			build.VMULPS(r, n, n)
			return n
		}

		sumGN := v.Zero()
		row.Each(1, func(_ int, s vec.Span) {
			n, dy := normal(s), s.Load(dy)
			sum := s.Load(dgamma)
			build.VFMADD231PS(dy, n, sum)
			s.Store(sum, dgamma)
			build.VMULPS(s.Load(gamma), dy, dy)
			build.VFMADD231PS(dy, n, sumGN)
		})
		meanGN := average(v, []reg.VecVirtual{sumGN}, inverse)

		row.Each(1, func(_ int, s vec.Span) {
			n, g := normal(s), s.Load(dy)
			build.VMULPS(s.Load(gamma), g, g)
			build.VFNMADD231PS(n, meanGN, g)
			build.VMULPS(r, g, g)
			s.Store(g, dx)
		})
		advance(x, c)
		advance(dy, c)
		advance(dx, c)
	})
	vec.Return()
}
