package ptx

import "math/bits"

// Logic, shifts and bit fields: PTX ISA 8.8, sections 9.7.1 (bit fields) and 9.7.8 (logic and shifts).

// masked1 returns f cut to the bits of a type.
func masked1(t scalar, f func(a uint64) uint64) func(a uint64) uint64 {
	m := ones(t.bits())
	return func(a uint64) uint64 { return f(a) & m }
}

func andRows(d, a, b, _ *row) {
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func orRows(d, a, b, _ *row) {
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func xorRows(d, a, b, _ *row) {
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

// decodeLogic decodes and, or, xor: of registers, or of predicates.
func decodeLogic(f rowFunc, p func(a, b uint32) uint32) func(r *reader) {
	return func(r *reader) {
		t := r.typ("pred b16 b32 b64")
		if t != predicate {
			r.binaryRows(t, f)
			return
		}
		if !r.want(3) {
			return
		}
		d := r.predicateTarget(r.statement.args[0].name)
		a, notA := r.p(1)
		b, notB := r.p(2)
		r.apply(func(w *warp, _ *inst, mask uint32) {
			w.setPredicate(d, mask, p(w.predicate(a, notA), w.predicate(b, notB)))
		})
	}
}

// decodePredicateMove decodes mov.pred and not.pred.
func decodePredicateMove(r *reader, negate bool) {
	if !r.want(2) {
		return
	}
	d := r.predicateTarget(r.statement.args[0].name)
	a, not := r.p(1)
	r.apply(func(w *warp, _ *inst, mask uint32) { w.setPredicate(d, mask, w.predicate(a, not != negate)) })
}

func shiftLeft[T integer](d, a, b, _ *row) {
	for i := range d {
		d[i] = pack(T(a[i]) << uint32(b[i]))
	}
}

func shiftRight[T integer](d, a, b, _ *row) {
	for i := range d {
		d[i] = pack(T(a[i]) >> uint32(b[i]))
	}
}

// decodeShift decodes shl and shr: the amount is a u32, and more than the type's bits shifts everything out.
func decodeShift(f func(t scalar) rowFunc, choices string) func(r *reader) {
	return func(r *reader) {
		t := r.typ(choices)
		if r.want(3) {
			r.inst.d, r.inst.a, r.inst.b = r.d(t), r.s(1, t), r.s(2, u32)
			r.lanewise(f(t))
		}
	}
}

// decodeFunnel decodes shf: the upper or lower 32 bits of a pair shifted left or right.
func decodeFunnel(r *reader) {
	left := r.must("l r") == "l"
	wrap := r.must("wrap clamp") == "wrap"
	r.typ("b32")
	if !r.want(4) {
		return
	}
	r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(b32), r.s(1, b32), r.s(2, b32), r.s(3, u32)
	r.lanewise(each3(func(low, high, n uint64) uint64 {
		if wrap {
			n &= 31
		}
		pair := high<<32 | low
		n = min(n, 32)
		if left {
			return pair << n >> 32 & 0xffffffff
		}
		return pair >> n & 0xffffffff
	}))
}

// decodeLop3 decodes lop3: any function of three bits, given by its truth table.
func decodeLop3(r *reader) {
	r.typ("b32")
	if !r.want(5) {
		return
	}
	table := r.number(4, 255)
	r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(b32), r.s(1, b32), r.s(2, b32), r.s(3, b32)
	r.lanewise(each3(func(a, b, c uint64) uint64 {
		var result uint64
		for i := range uint64(8) {
			if table>>i&1 == 0 {
				continue
			}
			term := uint64(0xffffffff)
			for j, x := range [...]uint64{c, b, a} {
				if i>>j&1 == 0 {
					x = ^x
				}
				term &= x
			}
			result |= term
		}
		return result
	}))
}

// number returns operand i, which must be a number up to limit.
func (r *reader) number(i int, limit uint64) uint64 {
	a := r.statement.args[i]
	if a.kind != numberArg || a.float != 0 || a.number > limit {
		r.fail("operand %d must be a number from 0 to %d", i, limit)
	}
	return a.number
}

// decodeExtract decodes bfe: a field of bits, zero- or sign-extended.
func decodeExtract(r *reader) {
	t := r.typ("u32 s32 u64 s64")
	if !r.want(4) {
		return
	}
	r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(t), r.s(1, t), r.s(2, u32), r.s(3, u32)
	size := uint64(t.bits())
	r.lanewise(each3(func(a, position, length uint64) uint64 {
		position, length = position&0xff, length&0xff
		var sign uint64
		if t.signed() && length != 0 {
			sign = a >> min(position+length-1, size-1) & 1
		}
		var field uint64
		if position < size {
			field = a >> position
		}
		if kept := min(length, size-min(position, size)); kept < size {
			inside := uint64(1)<<kept - 1
			field = field&inside | -sign&^inside
		}
		return field & ones(int(size))
	}))
}

// decodeInsert decodes bfi: the low bits of a replace a field of b.
func decodeInsert(r *reader) {
	t := r.typ("b32 b64")
	if !r.want(5) {
		return
	}
	length := r.s(4, u32)
	r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(t), r.s(1, t), r.s(2, t), r.s(3, u32)
	size := ones(t.bits())
	r.apply(func(w *warp, in *inst, mask uint32) {
		for ; mask != 0; mask &= mask - 1 {
			i := bits.TrailingZeros32(mask)
			position, n := w.rows[in.c][i]&0xff, w.rows[length][i]&0xff
			field := (uint64(1)<<n - 1) << position & size
			w.rows[in.d][i] = w.rows[in.b][i]&^field | w.rows[in.a][i]<<position&field
		}
	})
}

// decodePermute decodes prmt: each byte of the result is one of the eight bytes of two registers, or its sign.
func decodePermute(r *reader) {
	r.typ("b32")
	if len(r.modifiers) > 0 {
		return // the modes of prmt are not supported
	}
	if !r.want(4) {
		return
	}
	r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(b32), r.s(1, b32), r.s(2, b32), r.s(3, b32)
	r.lanewise(each3(func(a, b, selector uint64) uint64 {
		pair := b<<32 | a
		var result uint64
		for i := range 4 {
			pick := selector >> (4 * i) & 15
			value := pair >> (8 * (pick & 7)) & 0xff
			if pick&8 != 0 {
				value = -(value >> 7) & 0xff
			}
			result |= value << (8 * i)
		}
		return result
	}))
}

// decodeCount decodes popc and clz, whose result is a u32.
func decodeCount(f32, f64 func(a uint64) uint64) func(r *reader) {
	return func(r *reader) {
		t := r.typ("b32 b64")
		if r.want(2) {
			r.inst.d, r.inst.a = r.d(u32), r.s(1, t)
			r.lanewise(each1(map[scalar]func(uint64) uint64{b32: f32, b64: f64}[t]))
		}
	}
}

// decodeFind decodes bfind: the position of the highest bit that differs from the sign, or its distance from the top.
func decodeFind(r *reader) {
	distance := r.has("shiftamt")
	t := r.typ("u32 s32 u64 s64")
	if !r.want(2) {
		return
	}
	r.inst.d, r.inst.a = r.d(u32), r.s(1, t)
	size := t.bits()
	r.lanewise(each1(func(a uint64) uint64 {
		if t.signed() && a>>(size-1)&1 == 1 {
			a = ^a & ones(size)
		}
		at := bits.Len64(a) - 1
		if at >= 0 && distance {
			at = size - 1 - at
		}
		return uint64(uint32(at))
	}))
}

func init() {
	define("and", decodeLogic(andRows, func(a, b uint32) uint32 { return a & b }))
	define("or", decodeLogic(orRows, func(a, b uint32) uint32 { return a | b }))
	define("xor", decodeLogic(xorRows, func(a, b uint32) uint32 { return a ^ b }))
	define("not", func(r *reader) {
		if t := r.typ("pred b16 b32 b64"); t == predicate {
			decodePredicateMove(r, true)
		} else {
			r.unary(t, masked1(t, func(a uint64) uint64 { return ^a }))
		}
	})
	define("cnot", func(r *reader) {
		t := r.typ("b16 b32 b64")
		r.unary(t, func(a uint64) uint64 {
			if a == 0 {
				return 1
			}
			return 0
		})
	})
	define("shl", decodeShift(func(t scalar) rowFunc {
		return byType(t, shiftLeft[uint16], nil, shiftLeft[uint32], nil, shiftLeft[uint64], nil)
	}, "b16 b32 b64"))
	define("shr", decodeShift(func(t scalar) rowFunc {
		return byType(t, shiftRight[uint16], shiftRight[int16], shiftRight[uint32], shiftRight[int32],
			shiftRight[uint64], shiftRight[int64])
	}, "b16 b32 b64 "+integers))
	define("shf", decodeFunnel)
	define("lop3", decodeLop3)
	define("bfe", decodeExtract)
	define("bfi", decodeInsert)
	define("prmt", decodePermute)
	define("bfind", decodeFind)
	define("popc", decodeCount(
		func(a uint64) uint64 { return uint64(bits.OnesCount64(a)) },
		func(a uint64) uint64 { return uint64(bits.OnesCount64(a)) }))
	define("clz", decodeCount(
		func(a uint64) uint64 { return uint64(bits.LeadingZeros32(uint32(a))) },
		func(a uint64) uint64 { return uint64(bits.LeadingZeros64(a)) }))
	define("brev", func(r *reader) {
		t := r.typ("b32 b64")
		r.unary(t, func(a uint64) uint64 { return bits.Reverse64(a) >> (64 - t.bits()) })
	})
}
