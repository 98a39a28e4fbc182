package ptx

import "math"

// Atomic operations: PTX ISA 8.8, sections 9.7.13.5 (atom) and 9.7.13.6 (red). They are relaxed: they order nothing but themselves.

// update computes what an atomic operation stores, from what is there and its operands.
type update func(old, b, c uint64) uint64

// updateOf returns the update of an operation on a type, or nil if PTX has none.
func updateOf(operation string, t scalar) update {
	two := func(f func(a, b uint64) uint64) update {
		if f == nil {
			return nil
		}
		return func(old, b, _ uint64) uint64 { return f(old, b) }
	}
	switch operation {
	case "exch":
		return update(func(_, b, _ uint64) uint64 { return b })
	case "cas":
		return func(old, b, c uint64) uint64 {
			if old == b {
				return c
			}
			return old
		}
	case "and":
		return two(func(a, b uint64) uint64 { return a & b })
	case "or":
		return two(func(a, b uint64) uint64 { return a | b })
	case "xor":
		return two(func(a, b uint64) uint64 { return a ^ b })
	case "inc":
		return func(old, b, _ uint64) uint64 {
			if old >= b {
				return 0
			}
			return old + 1
		}
	case "dec":
		return func(old, b, _ uint64) uint64 {
			if old == 0 || old > b {
				return b
			}
			return old - 1
		}
	case "min":
		return two(byType(t, nil, nil, smaller[uint32], smaller[int32], smaller[uint64], smaller[int64]))
	case "max":
		return two(byType(t, nil, nil, larger[uint32], larger[int32], larger[uint64], larger[int64]))
	}
	if !t.float() {
		return two(byType(t, nil, nil, add[uint32], add[int32], add[uint64], add[int64]))
	}
	if t == f64 {
		return two(func(a, b uint64) uint64 { return double(math.Float64frombits(a) + math.Float64frombits(b)) })
	}
	sum := floatForm{typ: t, format: formats[t], pairs: t == f16x2, operate: floatRules["add"].operate}
	return two(func(a, b uint64) uint64 { return sum.whole(a, b, 0) })
}

// atomicTypes are the types that each operation has.
var atomicTypes = map[string]string{
	"exch": "b32 b64", "cas": "b16 b32 b64", "and": "b32 b64", "or": "b32 b64", "xor": "b32 b64", "inc": "u32", "dec": "u32",
	"min": "u32 s32 u64 s64", "max": "u32 s32 u64 s64", "add": "u32 s32 u64 f32 f64 f16 f16x2",
}

// decodeAtomic decodes atom, which returns what was there, and red, which does not.
func decodeAtomic(r *reader) {
	reduces := r.statement.base() == "red"
	r.has("relaxed")
	r.oneOf("cta gpu sys")
	s := r.takeSpace("global shared shared::cta")
	operation := r.must("exch cas and or xor inc dec min max add")
	if reduces && (operation == "exch" || operation == "cas") {
		r.fail("red has no .%s", operation)
	}
	noftz := r.has("noftz")
	t := r.typ(atomicTypes[operation])
	if half := t.float() && t != f32 && t != f64; noftz != half {
		r.fail(".noftz is for halves, and must be there")
	}
	first, count := 1, 3 // the address's place, and the number of operands
	if reduces {
		first, count = 0, 2
	}
	if operation == "cas" {
		count++
	}
	if !r.want(count) {
		return
	}
	s = r.place(first, s)
	b := r.s(first+1, t)
	c := int32(noRow)
	if operation == "cas" {
		c = r.s(first+2, t)
	}
	result := int32(noRow)
	if !reduces {
		result = r.d(t)
	}
	if t.float() {
		r.countFloat(floatForm{typ: t, pairs: t == f16x2}, floatRules["add"])
	}
	m := memory{space: s, size: t.bytes(), how: updating}
	r.touches(s, m.size, m.size)
	change := updateOf(operation, t)
	r.apply(func(w *warp, in *inst, mask uint32) {
		w.walk(m, &w.rows[in.a], in.offset, mask, func(lane int, bytes []byte) {
			old := get(bytes, m.size)
			put(bytes, change(old, w.rows[b][lane], w.rows[c][lane]), m.size)
			if result != noRow {
				w.rows[result][lane] = old
			}
		})
	})
}

func init() { define("atom red", decodeAtomic) }
