package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

func add(v vec.Vec) {
	v.Function("add", "func(dst, a, b *float32, n int)", "computes dst = a + b. dst may be a or b.")
	dst, a, b := vec.IntegerParam("dst"), vec.IntegerParam("a"), vec.IntegerParam("b")
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		sum := s.Load(a)
		build.VADDPS(s.Load(b), sum, sum)
		s.Store(sum, dst)
	})
	vec.Return()
}

func scale(v vec.Vec) {
	v.Function("scale", "func(dst, x *float32, n int, s float32)", "computes dst = s·x. dst may be x.")
	dst, x := vec.IntegerParam("dst"), vec.IntegerParam("x")
	factor := v.BroadcastParam("s")
	v.Over(vec.IntegerParam("n")).Each(1, func(_ int, s vec.Span) {
		y := s.Load(x)
		build.VMULPS(factor, y, y)
		s.Store(y, dst)
	})
	vec.Return()
}

// unroll is the number of accumulators of a sum: enough to hide the latency of an addition, 4 cycles at one a cycle.
const unroll = 4

// accumulators returns unroll registers of zeros.
func accumulators(v vec.Vec) []reg.VecVirtual {
	sums := make([]reg.VecVirtual, unroll)
	for u := range sums {
		sums[u] = v.Zero()
	}
	return sums
}

// total adds up accumulators and their lanes; the result is in the first lane.
func total(v vec.Vec, sums []reg.VecVirtual) reg.VecVirtual {
	for width := len(sums) / 2; width > 0; width /= 2 {
		for u := range width {
			build.VADDPS(sums[u+width], sums[u], sums[u])
		}
	}
	return v.Sum(sums[0])
}

func dot(v vec.Vec) {
	v.Function("dot", "func(x, y *float32, n int) float32", "returns Σ x·y, summed in float32.")
	x, y := vec.IntegerParam("x"), vec.IntegerParam("y")
	sums := accumulators(v)
	v.Over(vec.IntegerParam("n")).Each(unroll, func(u int, s vec.Span) {
		build.VFMADD231PS(s.Load(x), s.Load(y), sums[u])
	})
	build.Store(total(v, sums), build.ReturnIndex(0))
	vec.Return()
}

// advance moves a pointer on by n float32.
func advance(pointer, n reg.GPVirtual) {
	build.LEAQ(operand.Mem{Base: pointer, Index: n, Scale: 4}, pointer)
}

// sumRows takes four rows at a time, so that dst is read and written a quarter as often.
func sumRows(v vec.Vec) {
	v.Function("sumRows", "func(dst, x *float32, rows, c int)", "adds the rows of x [rows, c] to dst [c].")
	dst, x, rows, c := vec.IntegerParam("dst"), vec.IntegerParam("x"), vec.IntegerParam("rows"), vec.IntegerParam("c")
	columns := v.Over(c)
	groups := build.GP64()
	build.MOVQ(rows, groups)
	build.SHRQ(operand.U8(2), groups)
	vec.Repeat(groups, func() {
		row := [4]reg.GPVirtual{x, build.GP64(), build.GP64(), build.GP64()}
		for i := 1; i < len(row); i++ {
			build.LEAQ(operand.Mem{Base: row[i-1], Index: c, Scale: 4}, row[i])
		}
		columns.Each(1, func(_ int, s vec.Span) {
			a, b := s.Load(row[0]), s.Load(row[2])
			build.VADDPS(s.Load(row[1]), a, a)
			build.VADDPS(s.Load(row[3]), b, b)
			build.VADDPS(a, b, b)
			build.VADDPS(s.Load(dst), b, b)
			s.Store(b, dst)
		})
		build.LEAQ(operand.Mem{Base: row[3], Index: c, Scale: 4}, x)
	})
	build.ANDQ(operand.I8(3), rows)
	vec.Repeat(rows, func() {
		columns.Each(1, func(_ int, s vec.Span) {
			sum := s.Load(dst)
			build.VADDPS(s.Load(x), sum, sum)
			s.Store(sum, dst)
		})
		advance(x, c)
	})
	vec.Return()
}
