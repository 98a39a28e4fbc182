package vec

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Span is the part of the arrays that one pass of a loop works on: a whole vector of lanes, or the last few of them.
type Span struct {
	v     Vec
	index reg.GPVirtual
	disp  int
	Mask  Mask // nil for a whole vector
}

// At returns the memory of the span in the float32 array at base.
func (s Span) At(base reg.Register) operand.Mem {
	return operand.Mem{Base: base, Index: s.index, Scale: 4, Disp: s.disp}
}

// Load returns a new register with the span of the array at base; lanes behind the end are zero.
func (s Span) Load(base reg.Register) reg.VecVirtual { return s.v.Load(s.At(base), s.Mask) }

// Store writes the span of the array at base.
func (s Span) Store(r, base reg.Register) { s.v.Store(r, s.At(base), s.Mask) }

// Loop walks over arrays of one length. The incomplete last vector is masked, so that nothing outside of the arrays is read or
// written.
type Loop struct {
	v     Vec
	n     reg.GPVirtual
	whole reg.GPVirtual // n without the incomplete vector
	tail  Mask
}

// Over prepares loops over n elements.
func (v Vec) Over(n reg.GPVirtual) Loop {
	whole := build.GP64()
	build.MOVQ(n, whole)
	build.ANDQ(operand.I8(-v.Lanes), whole)
	rest := build.GP64()
	build.MOVQ(n, rest)
	build.SUBQ(whole, rest)
	return Loop{v: v, n: n, whole: whole, tail: v.FirstLanes(rest)}
}

var labels int

// label returns a name that no other label of the file has.
func label(what string) string {
	labels++
	return fmt.Sprintf("%s%d", what, labels)
}

// Each emits body for the vectors of the arrays in order: in groups of unroll, with u counting from 0 inside a group, then one
// by one, then for the incomplete one, both with u = 0. Accumulators indexed by u break the chain of additions.
func (l Loop) Each(unroll int, body func(u int, s Span)) {
	index := build.GP64()
	build.XORQ(index, index)
	if unroll > 1 {
		next, group, done := build.GP64(), label("group"), label("groups_done")
		build.Label(group)
		build.LEAQ(operand.Mem{Base: index, Disp: unroll * l.v.Lanes}, next)
		build.CMPQ(next, l.n)
		build.JG(operand.LabelRef(done))
		for u := range unroll {
			body(u, Span{v: l.v, index: index, disp: u * l.v.Bytes()})
		}
		build.MOVQ(next, index)
		build.JMP(operand.LabelRef(group))
		build.Label(done)
	}
	vector, tail, done := label("vector"), label("tail"), label("done")
	build.CMPQ(index, l.whole)
	build.JGE(operand.LabelRef(tail))
	build.Label(vector)
	body(0, Span{v: l.v, index: index})
	build.ADDQ(operand.I8(l.v.Lanes), index)
	build.CMPQ(index, l.whole)
	build.JL(operand.LabelRef(vector))
	build.Label(tail)
	build.CMPQ(index, l.n)
	build.JGE(operand.LabelRef(done))
	body(0, Span{v: l.v, index: index, Mask: l.tail})
	build.Label(done)
}

// Repeat emits body count times over, at run time; count is used up.
func Repeat(count reg.GPVirtual, body func()) {
	again, done := label("repeat"), label("repeated")
	build.TESTQ(count, count)
	build.JLE(operand.LabelRef(done))
	build.Label(again)
	body()
	build.DECQ(count)
	build.JNZ(operand.LabelRef(again))
	build.Label(done)
}
