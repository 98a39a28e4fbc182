package ptx

import (
	"math"
	"slices"
	"strings"
)

// Comparison and selection: PTX ISA 8.8, sections 9.7.6 and 9.7.7.

const (
	signedComparisons   = "eq ne lt le gt ge"
	unsignedComparisons = signedComparisons + " lo ls hi hs"
	floatComparisons    = signedComparisons + " equ neu ltu leu gtu geu num nan"
)

// relation says for which outcomes of a comparison an operator holds.
type relation struct{ less, equal, greater, unordered bool }

var relations = map[string]relation{
	"eq": {equal: true}, "ne": {less: true, greater: true},
	"lt": {less: true}, "le": {less: true, equal: true}, "gt": {greater: true}, "ge": {equal: true, greater: true},
	"lo": {less: true}, "ls": {less: true, equal: true}, "hi": {greater: true}, "hs": {equal: true, greater: true},
	"equ": {equal: true, unordered: true}, "neu": {less: true, greater: true, unordered: true},
	"ltu": {less: true, unordered: true}, "leu": {less: true, equal: true, unordered: true},
	"gtu": {greater: true, unordered: true}, "geu": {equal: true, greater: true, unordered: true},
	"num": {less: true, equal: true, greater: true}, "nan": {unordered: true},
}

func holds[T integer | float64](o relation, a, b T) bool {
	switch {
	case a < b:
		return o.less
	case a > b:
		return o.greater
	case a == b:
		return o.equal
	}
	return o.unordered
}

// comparison returns what an operator says of two values of a type.
func comparison(o relation, t scalar, ftz bool) func(a, b uint64) bool {
	switch {
	case t == f64:
		return func(a, b uint64) bool { return holds(o, math.Float64frombits(a), math.Float64frombits(b)) }
	case t.float():
		f := formats[t]
		return func(a, b uint64) bool {
			if ftz {
				a, b = f.flush(a), f.flush(b)
			}
			return holds(o, f.widen(a), f.widen(b))
		}
	case t.signed():
		return byType(t, nil, func(a, b uint64) bool { return holds(o, int16(a), int16(b)) },
			nil, func(a, b uint64) bool { return holds(o, int32(a), int32(b)) },
			nil, func(a, b uint64) bool { return holds(o, int64(a), int64(b)) })
	}
	return func(a, b uint64) bool { return holds(o, a, b) } // registers are zero-extended
}

// combinations are what setp and set do with a comparison and another predicate.
var combinations = map[string]func(compared, other uint32) uint32{
	"":    func(compared, _ uint32) uint32 { return compared },
	"and": func(compared, other uint32) uint32 { return compared & other },
	"or":  func(compared, other uint32) uint32 { return compared | other },
	"xor": func(compared, other uint32) uint32 { return compared ^ other },
}

// comparisonRows returns the lanes, of all, in which an operator holds of two rows.
func comparisonRows(o relation, t scalar, ftz bool) func(a, b *row) uint32 {
	switch {
	case t == f32 && !ftz:
		return func(a, b *row) uint32 { return o.among(floatOutcomes(a, b)) }
	case t.float():
		compare := comparison(o, t, ftz)
		return func(a, b *row) uint32 { return ballot(allLanes, a, b, compare) }
	case t.signed():
		outcomes := byType(t, nil, outcomes[int16], nil, outcomes[int32], nil, outcomes[int64])
		return func(a, b *row) uint32 { return o.among(outcomes(a, b)) }
	}
	return func(a, b *row) uint32 { return o.among(outcomes[uint64](a, b)) } // registers are zero-extended
}

// outcomes returns the lanes in which one number is less, in which it is equal and in which it is greater.
func outcomes[T integer](a, b *row) (less, equal, greater uint32) {
	for i := range a {
		x, y := T(a[i]), T(b[i])
		var isLess, isEqual uint32
		if x < y {
			isLess = 1
		}
		if x == y {
			isEqual = 1
		}
		less, equal = less>>1|isLess<<31, equal>>1|isEqual<<31
	}
	return less, equal, ^(less | equal)
}

// floatOutcomes is outcomes for float32, of which some pairs are neither.
func floatOutcomes(a, b *row) (less, equal, greater uint32) {
	for i := range a {
		x, y := toFloat(a[i]), toFloat(b[i])
		var isLess, isEqual, isGreater uint32
		if x < y {
			isLess = 1
		}
		if x == y {
			isEqual = 1
		}
		if x > y {
			isGreater = 1
		}
		less, equal, greater = less>>1|isLess<<31, equal>>1|isEqual<<31, greater>>1|isGreater<<31
	}
	return less, equal, greater
}

// among returns the lanes with an outcome that the operator holds for.
func (o relation) among(less, equal, greater uint32) uint32 {
	return less&maskIf(o.less) | equal&maskIf(o.equal) | greater&maskIf(o.greater) | ^(less|equal|greater)&maskIf(o.unordered)
}

// test is the comparison of a setp or set, with the predicate it is combined with.
type test struct {
	compare  func(a, b *row) uint32
	upper    func(a, b *row) uint32 // of the upper numbers of pairs
	combine  func(compared, other uint32) uint32
	other    int32
	otherNot bool
}

// of returns the predicate that a comparison gives, and that of the opposite one.
func (t *test) of(w *warp, in *inst, compare func(a, b *row) uint32) (result, opposite uint32) {
	compared := compare(&w.rows[in.a], &w.rows[in.b])
	other := w.predicate(t.other, t.otherNot)
	return t.combine(compared, other), t.combine(^compared, other)
}

// decodeTest takes .operator.combination.ftz; the type and operands follow.
func (r *reader) decodeTest() (operator, combination string, ftz bool) {
	operator = r.must(unsignedComparisons + " equ neu ltu leu gtu geu num nan")
	combination = r.oneOf("and or xor")
	return operator, combination, r.has("ftz")
}

// test checks that the operator is one for the type and reads the operands from a on.
func (r *reader) test(operator, combination string, ftz bool, t scalar) test {
	choices := unsignedComparisons
	switch {
	case t.float():
		choices = floatComparisons
	case t.signed():
		choices = signedComparisons
	case t.untyped():
		choices = "eq ne"
	}
	if !slices.Contains(strings.Fields(choices), operator) {
		r.fail(".%s is no comparison of %v", operator, t)
	}
	if ftz && t != f32 && t != f16 && t != f16x2 {
		r.fail(".ftz is not for %v", t)
	}
	result := test{combine: combinations[combination]}
	if t == f16x2 {
		compare := comparison(relations[operator], t, ftz)
		part := func(shift uint) func(a, b *row) uint32 {
			return func(a, b *row) uint32 {
				return ballot(allLanes, a, b, func(a, b uint64) bool { return compare(a>>shift&0xffff, b>>shift&0xffff) })
			}
		}
		result.compare, result.upper = part(0), part(16)
	} else if r.err == nil {
		result.compare = comparisonRows(relations[operator], t, ftz)
	}
	n := 3
	if combination != "" {
		n = 4
	}
	if r.want(n) {
		r.inst.a, r.inst.b = r.s(1, t), r.s(2, t)
		if n == 4 {
			result.other, result.otherNot = r.p(3)
		}
	}
	return result
}

// decodeSetp decodes setp: p|q = comparison and its opposite, or for pairs the comparisons of both numbers.
func decodeSetp(r *reader) {
	operator, combination, ftz := r.decodeTest()
	t := r.typ("b16 b32 b64 " + integers + " " + sm80Floats)
	test := r.test(operator, combination, ftz, t)
	if r.err != nil {
		return
	}
	targets := r.statement.args[0]
	p, q := r.predicateTarget(targets.name), int32(-1)
	if targets.second != "" {
		q = r.predicateTarget(targets.second)
	}
	pairs := t == f16x2
	r.apply(func(w *warp, in *inst, mask uint32) {
		result, second := test.of(w, in, test.compare)
		if pairs && q >= 0 {
			second, _ = test.of(w, in, test.upper)
		}
		w.setPredicate(p, mask, result)
		if q >= 0 {
			w.setPredicate(q, mask, second)
		}
	})
}

// decodeSet decodes set: the result is 1 (floats) or all ones (integers) where the comparison holds, else 0.
func decodeSet(r *reader) {
	operator, combination, ftz := r.decodeTest()
	d := r.typ("u16 s16 u32 s32 f32 f16 f16x2")
	t := r.typ("b16 b32 b64 " + integers + " " + sm80Floats)
	test := r.test(operator, combination, ftz, t)
	pairs := t == f16x2
	if pairs != (d == f16x2) {
		r.fail("a pair is compared to a pair")
	}
	if r.err != nil {
		return
	}
	yes := ones(d.bits())
	if f := formats[d]; f != nil {
		yes = f.narrow(1, nearest)
	}
	r.inst.d = r.d(d)
	r.apply(func(w *warp, in *inst, mask uint32) {
		low, _ := test.of(w, in, test.compare)
		var high uint32
		if pairs {
			high, _ = test.of(w, in, test.upper)
		}
		result := &w.rows[in.d]
		for lane := range result {
			if mask>>lane&1 != 0 {
				result[lane] = yes*uint64(low>>lane&1) | yes<<16*uint64(high>>lane&1)
			}
		}
	})
}

// decodeSelp decodes selp: a where the predicate holds, else b.
func decodeSelp(r *reader) {
	t := r.typ("b16 b32 b64 f32 f64 " + integers)
	if !r.want(4) {
		return
	}
	r.inst.d, r.inst.a, r.inst.b = r.d(t), r.s(1, t), r.s(2, t)
	p, not := r.p(3)
	r.apply(func(w *warp, in *inst, mask uint32) {
		var result row
		a, b, yes := &w.rows[in.a], &w.rows[in.b], w.predicate(p, not)
		for i := range result {
			result[i] = b[i] ^ (a[i]^b[i])&-uint64(yes>>i&1)
		}
		w.set(in.d, mask, &result)
	})
}

// decodeSlct decodes slct: a where c >= 0, else b; NaN selects b.
func decodeSlct(r *reader) {
	ftz := r.has("ftz")
	t := r.typ("b16 b32 b64 f32 f64 " + integers)
	choice := r.typ("s32 f32")
	if ftz && choice != f32 {
		r.fail(".ftz is not for %v", choice)
	}
	if !r.want(4) {
		return
	}
	r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(t), r.s(1, t), r.s(2, t), r.s(3, choice)
	atLeast := comparison(relations["ge"], choice, ftz)
	r.lanewise(each3(func(a, b, c uint64) uint64 {
		if atLeast(c, 0) {
			return a
		}
		return b
	}))
}

func init() {
	define("setp", decodeSetp)
	define("set", decodeSet)
	define("selp", decodeSelp)
	define("slct", decodeSlct)
}
