package main

import (
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

// walk goes over all columns, a vector at a time.
type walk struct {
	b      block
	future reg.VecVirtual // of the first vector, lane by lane: key - query - 1, negative where the query sees the key; or notAQuery
	step   reg.VecVirtual
}

// notAQuery is added to lanes behind the block: more than any sequence is long, and far from overflow.
const notAQuery = 1 << 30

// walk prepares to walk.
func (b block) walk() walk {
	bits := func(u uint32) reg.VecVirtual { return b.ConstantRegister(math.Float32frombits(u)) }

	w := walk{b: b, future: b.Register(), step: bits(uint32(b.columns()))}
	outside := b.Zero()
	b.Fill(outside, bits(notAQuery), b.ofQueries())
	w.duplicate(outside)
	build.VPBROADCASTD(address("first"), w.future)
	build.VPSUBD(w.future, outside, w.future)
	build.VPADDD(b.keyMinusQuery, w.future, w.future)
	return w
}

// ofQueries returns a mask of the block's lanes in a vector's first column.
func (b block) ofQueries() vec.Mask { return b.FirstLanes(parameter("queries")) }

// duplicate copies the first column of x into the others.
func (w walk) duplicate(x reg.VecVirtual) {
	if w.b.columns() > 1 {
		build.VSHUFF64X2(operand.U8(0x44), x, x, x)
	}
}

// fold combines the columns of x, so that each of them holds the result.
func (w walk) fold(op func(...operand.Op), x reg.VecVirtual) {
	if w.b.columns() > 1 {
		other := w.b.Register()
		build.VSHUFF64X2(operand.U8(0x4e), x, x, other)
		op(other, x, x)
	}
}

// each emits body for every vector of columns; index is its distance in floats from the first, future that of walk for it.
func (w walk) each(body func(index reg.GPVirtual, future reg.VecVirtual)) {
	left, index := keys(), zeroed()
	future := w.b.Register()
	build.VMOVAPS(w.future, future)
	loop := label("columns")
	build.Label(loop)
	body(index, future)
	build.VPADDD(w.step, future, future)
	build.ADDQ(operand.I8(w.b.Lanes), index)
	build.SUBQ(operand.I8(w.b.columns()), left)
	build.JG(operand.LabelRef(loop))
}

// softmax turns the columns at scores into exp(score - largest) and writes the queries' lse and reciprocal sums.
func (b block) softmax(scores reg.GPVirtual) {
	w := b.walk()
	largest, none := b.ConstantRegister(float32(math.Inf(-1))), b.ConstantRegister(float32(math.Inf(-1)))
	w.each(func(index reg.GPVirtual, future reg.VecVirtual) {
		x := b.Load(operand.Mem{Base: scores, Index: index, Scale: 4}, nil)
		build.VMAXPS(b.WhereNegative(future, x, none), largest, largest)
	})
	w.fold(build.VMAXPS, largest)

	exp, sum, zero := b.Exp(), b.Zero(), b.Zero()
	w.each(func(index reg.GPVirtual, future reg.VecVirtual) {
		memory := operand.Mem{Base: scores, Index: index, Scale: 4}
		x := b.Load(memory, nil)
		build.VSUBPS(largest, x, x)
		exp.Of(x)
		p := b.WhereNegative(future, x, zero)
		b.Store(p, memory, nil)
		build.VADDPS(p, sum, sum)
	})
	w.fold(build.VADDPS, sum)

	reciprocal := b.Register()
	build.VDIVPS(sum, b.ConstantRegister(1), reciprocal)
	b.Store(reciprocal, operand.Mem{Base: parameter("scratch")}, nil)
	lse := b.log(sum)
	build.VADDPS(largest, lse, lse)
	b.Store(lse, operand.Mem{Base: parameter("lse")}, b.ofQueries())
}

// softmaxGrad turns the columns at scores into probabilities p = exp(score - lse), and those at dscores, which hold
// dp = scale·(dout·value), into p·(dp - D). D is taken as Σ p·dp / Σ p, which equals scale·(dout·out) and is at hand here. The
// division by Σ p, which is 1 but for the rounding of lse, keeps dp - D small where one key has all of a query's attention.
func (b block) softmaxGrad(scores, dscores reg.GPVirtual) {
	w := b.walk()
	lse := b.Load(operand.Mem{Base: parameter("lse")}, b.ofQueries())
	w.duplicate(lse)
	exp, d, sum, zero := b.Exp(), b.Zero(), b.Zero(), b.Zero()
	w.each(func(index reg.GPVirtual, future reg.VecVirtual) {
		memory := operand.Mem{Base: scores, Index: index, Scale: 4}
		x := b.Load(memory, nil)
		build.VSUBPS(lse, x, x)
		exp.Of(x)
		p := b.WhereNegative(future, x, zero)
		b.Store(p, memory, nil)
		dp := b.Load(operand.Mem{Base: dscores, Index: index, Scale: 4}, nil)
		build.VFMADD231PS(dp, p, d)
		build.VADDPS(p, sum, sum)
	})
	w.fold(build.VADDPS, d)
	w.fold(build.VADDPS, sum)
	build.VMAXPS(b.ConstantRegister(0.5), sum, sum) // keeps lanes behind the block, whose sums are 0, from becoming NaN
	build.VDIVPS(sum, d, d)
	w.each(func(index reg.GPVirtual, _ reg.VecVirtual) {
		memory := operand.Mem{Base: dscores, Index: index, Scale: 4}
		dp := b.Load(memory, nil)
		build.VSUBPS(d, dp, dp)
		build.VMULPS(operand.Mem{Base: scores, Index: index, Scale: 4}, dp, dp)
		b.Store(dp, memory, nil)
	})
}
