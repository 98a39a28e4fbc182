package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

// moments emits the mean of the row at x and 1/√(variance + epsilon), each in every lane. The sum over squares of differences
// costs a second pass over a row in cache, and keeps what is lost when the mean is far from zero.
func moments(v vec.Vec, row vec.Loop, x reg.GPVirtual, inverse, epsilon reg.VecVirtual) (mean, rstd reg.VecVirtual) {
	sums := accumulators(v)
	row.Each(unroll, func(u int, s vec.Span) {
		build.VADDPS(s.Load(x), sums[u], sums[u])
	})
	mean = average(v, sums, inverse)

	squares := accumulators(v)
	row.Each(unroll, func(u int, s vec.Span) {
		d := s.Load(x)
		build.VSUBPS(mean, d, d)
		v.Keep(d, s.Mask)
		build.VFMADD231PS(d, d, squares[u])
	})
	return mean, inverseRoot(v, total(v, squares), inverse, epsilon)
}

// inverseRoot emits 1/√(inverse·sum + epsilon) in every lane, sum being in the first lane of a register that is overwritten.
func inverseRoot(v vec.Vec, sum, inverse, epsilon reg.VecVirtual) reg.VecVirtual {
	build.VFMADD213SS(epsilon.AsX(), inverse.AsX(), sum)
	build.VSQRTSS(sum, sum, sum)
	one := v.ConstantRegister(1)
	root := build.XMM()
	build.VDIVSS(sum, one.AsX(), root)
	return v.Broadcast(root)
}

// average returns the total of sums times inverse in every lane.
func average(v vec.Vec, sums []reg.VecVirtual, inverse reg.VecVirtual) reg.VecVirtual {
	t := total(v, sums)
	build.VMULSS(inverse.AsX(), t, t)
	return v.Broadcast(t)
}

func layerNorm(v vec.Vec) {
	v.Function("layerNorm", "func(dst, x, gamma, beta *float32, rows, c int, epsilon, inverse float32)",
		"computes dst = (x - mean)·rstd·gamma + beta for each row of x [rows, c]; inverse is 1/c.")
	dst, x := vec.IntegerParam("dst"), vec.IntegerParam("x")
	gamma, beta := vec.IntegerParam("gamma"), vec.IntegerParam("beta")
	rows, c := vec.IntegerParam("rows"), vec.IntegerParam("c")
	epsilon, inverse := v.BroadcastParam("epsilon"), v.BroadcastParam("inverse")
	row := v.Over(c)
	vec.Repeat(rows, func() {
		mean, rstd := moments(v, row, x, inverse, epsilon)
		row.Each(1, func(_ int, s vec.Span) {
			y := s.Load(x)
			build.VSUBPS(mean, y, y)
			build.VMULPS(rstd, y, y)
			build.VFMADD213PS(s.Load(beta), s.Load(gamma), y)
			s.Store(y, dst)
		})
		advance(x, c)
		advance(dst, c)
	})
	vec.Return()
}

func layerNormGrad(v vec.Vec) {
	v.Function("layerNormGrad", "func(dx, dgamma, dbeta, x, gamma, dy *float32, rows, c int, epsilon, inverse float32)",
		"computes with n = (x - mean)·rstd and g = dy·gamma, for each row of x and dy [rows, c],",
		"dx = rstd·(g - mean(g) - n·mean(g·n)), dgamma += dy·n, dbeta += dy; inverse is 1/c.")
	dx, dgamma, dbeta := vec.IntegerParam("dx"), vec.IntegerParam("dgamma"), vec.IntegerParam("dbeta")
	x, gamma, dy := vec.IntegerParam("x"), vec.IntegerParam("gamma"), vec.IntegerParam("dy")
	rows, c := vec.IntegerParam("rows"), vec.IntegerParam("c")
	epsilon, inverse := v.BroadcastParam("epsilon"), v.BroadcastParam("inverse")
	row := v.Over(c)
	vec.Repeat(rows, func() {
		mean, rstd := moments(v, row, x, inverse, epsilon)
		normal := func(s vec.Span) reg.VecVirtual {
			n := s.Load(x)
			build.VSUBPS(mean, n, n)
			build.VMULPS(rstd, n, n)
			return n
		}

		// The lanes of n behind the end are not zero, but they meet those of dy, which are.
		sumG, sumGN := v.Zero(), v.Zero()
		row.Each(1, func(_ int, s vec.Span) {
			n, dy := normal(s), s.Load(dy)
			sum := s.Load(dbeta)
			build.VADDPS(dy, sum, sum)
			s.Store(sum, dbeta)
			sum = s.Load(dgamma)
			build.VFMADD231PS(dy, n, sum)
			s.Store(sum, dgamma)
			build.VMULPS(s.Load(gamma), dy, dy)
			build.VADDPS(dy, sumG, sumG)
			build.VFMADD231PS(dy, n, sumGN)
		})
		meanG := average(v, []reg.VecVirtual{sumG}, inverse)
		meanGN := average(v, []reg.VecVirtual{sumGN}, inverse)

		row.Each(1, func(_ int, s vec.Span) {
			n, g := normal(s), s.Load(dy)
			build.VMULPS(s.Load(gamma), g, g) // rounded as it was in meanG, so that a row of one element gives 0
			build.VSUBPS(meanG, g, g)
			build.VFNMADD231PS(n, meanGN, g)
			build.VMULPS(rstd, g, g)
			s.Store(g, dx)
		})
		advance(x, c)
		advance(dy, c)
		advance(dx, c)
	})
	vec.Return()
}
