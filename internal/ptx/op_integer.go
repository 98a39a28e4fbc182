package ptx

import (
	"math/bits"
	"unsafe"
)

// Integer arithmetic: PTX ISA 8.8, sections 9.7.1 and 9.7.2.

// integer is a Go type with the width and sign of a PTX type.
type integer interface {
	~int16 | ~int32 | ~int64 | ~uint16 | ~uint32 | ~uint64
}

// pack returns the bits of v, zero-extended as registers are.
func pack[T integer](v T) uint64 {
	unused := 64 - 8*unsafe.Sizeof(v)
	return uint64(v) << unused >> unused
}

// byType returns the f for a type: 16, 32 and 64 bits, unsigned then signed. Untyped bits count as unsigned.
func byType[F any](t scalar, unsigned16, signed16, unsigned32, signed32, unsigned64, signed64 F) F {
	i := map[int]int{16: 0, 32: 2, 64: 4}[t.bits()]
	if t.signed() {
		i++
	}
	return [...]F{unsigned16, signed16, unsigned32, signed32, unsigned64, signed64}[i]
}

func add[T integer](a, b uint64) uint64 { return pack(T(a) + T(b)) }
func sub[T integer](a, b uint64) uint64 { return pack(T(a) - T(b)) }
func mul[T integer](a, b uint64) uint64 { return pack(T(a) * T(b)) }
func neg[T integer](a uint64) uint64    { return pack(-T(a)) }

func mad[T integer](a, b, c uint64) uint64 { return pack(T(a)*T(b) + T(c)) }

func smaller[T integer](a, b uint64) uint64 { return pack(min(T(a), T(b))) }
func larger[T integer](a, b uint64) uint64  { return pack(max(T(a), T(b))) }

func absolute[T integer](a uint64) uint64 {
	if T(a) < 0 {
		return pack(-T(a))
	}
	return a
}

// quotient gives all ones for a division by zero, as GPUs do; PTX leaves it open.
func quotient[T integer](a, b uint64) uint64 {
	if T(b) == 0 {
		return pack(^T(0))
	}
	return pack(T(a) / T(b))
}

func remainder[T integer](a, b uint64) uint64 {
	if T(b) == 0 {
		return a
	}
	return pack(T(a) % T(b))
}

// addSaturated is add.sat.s32.
func addSaturated(a, b uint64) uint64 { return clamp32(int64(int32(a)) + int64(int32(b))) }
func subSaturated(a, b uint64) uint64 { return clamp32(int64(int32(a)) - int64(int32(b))) }

func clamp32(x int64) uint64 { return uint64(uint32(max(-1<<31, min(x, 1<<31-1)))) }

// wide returns the product of two numbers of a type in twice its bits.
func wide[T, W integer](a, b uint64) uint64 { return pack(W(T(a)) * W(T(b))) }

// high returns the upper half of the product.
func high[T, W integer](a, b uint64) uint64 {
	var t T
	return pack(T(W(T(a)) * W(T(b)) >> (8 * unsafe.Sizeof(t))))
}

func highUnsigned64(a, b uint64) uint64 {
	h, _ := bits.Mul64(a, b)
	return h
}

func highSigned64(a, b uint64) uint64 {
	h, _ := bits.Mul64(a, b)
	if int64(a) < 0 {
		h -= b
	}
	if int64(b) < 0 {
		h -= a
	}
	return h
}

// The loops over lanes of the commonest instructions.

func addRows[T integer](d, a, b, _ *row) {
	for i := range d {
		d[i] = add[T](a[i], b[i])
	}
}

func subRows[T integer](d, a, b, _ *row) {
	for i := range d {
		d[i] = sub[T](a[i], b[i])
	}
}

func mulRows[T integer](d, a, b, _ *row) {
	for i := range d {
		d[i] = mul[T](a[i], b[i])
	}
}

func madRows[T integer](d, a, b, c *row) {
	for i := range d {
		d[i] = mad[T](a[i], b[i], c[i])
	}
}

func wideRows[T, W integer](d, a, b, _ *row) {
	for i := range d {
		d[i] = wide[T, W](a[i], b[i])
	}
}

func sumRows(t scalar) rowFunc {
	return bySize(t, addRows[uint16], addRows[uint32], addRows[uint64])
}

func differenceRows(t scalar) rowFunc {
	return bySize(t, subRows[uint16], subRows[uint32], subRows[uint64])
}

// bySize returns the f for a type of 16, 32 or 64 bits, where the sign makes no difference.
func bySize[F any](t scalar, f16, f32, f64 F) F { return byType(t, f16, f16, f32, f32, f64, f64) }

// productRows is product for rows.
func productRows(part string, t scalar) rowFunc {
	switch part {
	case "hi":
		return each2(product(part, t))
	case "wide":
		return byType(t, wideRows[uint16, uint32], wideRows[int16, int32], wideRows[uint32, uint64], wideRows[int32, int64], nil, nil)
	}
	return bySize(t, mulRows[uint16], mulRows[uint32], mulRows[uint64])
}

// product returns the function for mul.lo, mul.hi or mul.wide of a type.
func product(part string, t scalar) func(a, b uint64) uint64 {
	switch part {
	case "hi":
		return byType(t, high[uint16, uint32], high[int16, int32], high[uint32, uint64], high[int32, int64], highUnsigned64, highSigned64)
	case "wide":
		return byType(t, wide[uint16, uint32], wide[int16, int32], wide[uint32, uint64], wide[int32, int64], nil, nil)
	}
	return byType(t, mul[uint16], mul[int16], mul[uint32], mul[int32], mul[uint64], mul[int64])
}

// widened is the type of a product: of twice the bits for .wide.
func widened(part string, t scalar) scalar {
	if part != "wide" {
		return t
	}
	return byType(t, u32, s32, u64, s64, noType, noType)
}

func mul24(signed bool) func(a, b uint64) uint64 {
	if signed {
		return func(a, b uint64) uint64 { return uint64(uint32(int32(a<<8) >> 8 * (int32(b<<8) >> 8))) }
	}
	return func(a, b uint64) uint64 { return uint64(uint32(a&0xffffff) * uint32(b&0xffffff)) }
}

// dotBytes is dp4a: the sum of four products of bytes, and c.
func dotBytes(a, b scalar) func(a, b, c uint64) uint64 {
	element := func(t scalar, x uint64, i int) int64 {
		if t == s32 {
			return int64(int8(x >> (8 * i)))
		}
		return int64(uint8(x >> (8 * i)))
	}
	return func(x, y, c uint64) uint64 {
		sum := int64(c)
		for i := range 4 {
			sum += element(a, x, i) * element(b, y, i)
		}
		return uint64(uint32(sum))
	}
}

const integers = "u16 s16 u32 s32 u64 s64"

// integerType takes an integer type if the next modifier is one: add, mul and others have float forms too.
func (r *reader) integerType() scalar {
	return scalarNames[r.oneOf(integers)]
}

func (r *reader) binary(t scalar, f func(a, b uint64) uint64) { r.binaryRows(t, each2(f)) }

func (r *reader) binaryRows(t scalar, f rowFunc) {
	if r.want(3) {
		r.inst.d, r.inst.a, r.inst.b = r.d(t), r.s(1, t), r.s(2, t)
		r.lanewise(f)
	}
}

func (r *reader) unary(t scalar, f func(a uint64) uint64) {
	if r.want(2) {
		r.inst.d, r.inst.a = r.d(t), r.s(1, t)
		r.lanewise(each1(f))
	}
}

// decodeSum decodes add and sub of integers.
func decodeSum(plain func(t scalar) rowFunc, saturated func(a, b uint64) uint64) func(r *reader) {
	return func(r *reader) {
		if r.has("sat") {
			r.binary(r.typ("s32"), saturated)
		} else if t := r.integerType(); t != noType {
			r.binaryRows(t, plain(t))
		}
	}
}

func sums(t scalar) func(a, b uint64) uint64 {
	return byType(t, add[uint16], add[int16], add[uint32], add[int32], add[uint64], add[int64])
}

func differences(t scalar) func(a, b uint64) uint64 {
	return byType(t, sub[uint16], sub[int16], sub[uint32], sub[int32], sub[uint64], sub[int64])
}

func decodeProduct(r *reader) {
	part := r.must("lo hi wide")
	choices := integers
	if part == "wide" {
		choices = "u16 s16 u32 s32"
	}
	t := r.typ(choices)
	if r.want(3) {
		r.inst.d, r.inst.a, r.inst.b = r.d(widened(part, t)), r.s(1, t), r.s(2, t)
		r.lanewise(productRows(part, t))
	}
}

func decodeMad(r *reader) {
	part := r.must("lo hi wide")
	choices := integers
	if part == "wide" {
		choices = "u16 s16 u32 s32"
	}
	t := r.typ(choices)
	if !r.want(4) {
		return
	}
	sum := widened(part, t)
	r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(sum), r.s(1, t), r.s(2, t), r.s(3, sum)
	if part == "lo" {
		r.lanewise(bySize(t, madRows[uint16], madRows[uint32], madRows[uint64]))
		return
	}
	multiply, plus := product(part, t), sums(sum)
	r.lanewise(each3(func(a, b, c uint64) uint64 { return plus(multiply(a, b), c) }))
}

// decodeMul24 decodes mul24.lo and mad24.lo.
func decodeMul24(r *reader) {
	r.must("lo")
	t := r.typ("u32 s32")
	f := mul24(t == s32)
	if r.statement.base() == "mul24" {
		r.binary(t, f)
	} else if r.want(4) {
		r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(t), r.s(1, t), r.s(2, t), r.s(3, t)
		r.lanewise(each3(func(a, b, c uint64) uint64 { return add[uint32](f(a, b), c) }))
	}
}

func decodeDotBytes(r *reader) {
	a, b := r.typ("u32 s32"), r.typ("u32 s32")
	if r.want(4) {
		sum := u32
		if a == s32 || b == s32 {
			sum = s32
		}
		r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(sum), r.s(1, a), r.s(2, b), r.s(3, sum)
		r.lanewise(each3(dotBytes(a, b)))
	}
}

// decodeSad decodes sad: |a - b| + c.
func decodeSad(r *reader) {
	t := r.typ(integers)
	if !r.want(4) {
		return
	}
	r.inst.d, r.inst.a, r.inst.b, r.inst.c = r.d(t), r.s(1, t), r.s(2, t), r.s(3, t)
	low := byType(t, smaller[uint16], smaller[int16], smaller[uint32], smaller[int32], smaller[uint64], smaller[int64])
	top := byType(t, larger[uint16], larger[int16], larger[uint32], larger[int32], larger[uint64], larger[int64])
	minus, plus := differences(t), sums(t)
	r.lanewise(each3(func(a, b, c uint64) uint64 { return plus(minus(top(a, b), low(a, b)), c) }))
}

func init() {
	define("add", orFloat(decodeSum(sumRows, addSaturated)))
	define("sub", orFloat(decodeSum(differenceRows, subSaturated)))
	define("mul", orFloat(decodeProduct))
	define("mad", orFloat(decodeMad))
	define("mul24 mad24", decodeMul24)
	define("dp4a", decodeDotBytes)
	define("sad", decodeSad)
	define("div", orFloat(func(r *reader) {
		t := r.typ(integers)
		r.binary(t, byType(t, quotient[uint16], quotient[int16], quotient[uint32], quotient[int32], quotient[uint64], quotient[int64]))
	}))
	define("rem", func(r *reader) {
		t := r.typ(integers)
		r.binary(t, byType(t, remainder[uint16], remainder[int16], remainder[uint32], remainder[int32],
			remainder[uint64], remainder[int64]))
	})
	define("min", orFloat(func(r *reader) {
		t := r.typ(integers)
		r.binary(t, byType(t, smaller[uint16], smaller[int16], smaller[uint32], smaller[int32], smaller[uint64], smaller[int64]))
	}))
	define("max", orFloat(func(r *reader) {
		t := r.typ(integers)
		r.binary(t, byType(t, larger[uint16], larger[int16], larger[uint32], larger[int32], larger[uint64], larger[int64]))
	}))
	define("neg", orFloat(func(r *reader) {
		t := r.typ("s16 s32 s64")
		r.unary(t, byType(t, nil, neg[int16], nil, neg[int32], nil, neg[int64]))
	}))
	define("abs", orFloat(func(r *reader) {
		t := r.typ("s16 s32 s64")
		r.unary(t, byType(t, nil, absolute[int16], nil, absolute[int32], nil, absolute[int64]))
	}))
}

// orFloat decodes the float form of an instruction where its type is one of the floats, and else the integer form.
func orFloat(whole func(r *reader)) func(r *reader) {
	return func(r *reader) {
		if n := len(r.modifiers); n > 0 && scalarNames[r.modifiers[n-1]].float() {
			decodeFloat(r)
		} else {
			whole(r)
		}
	}
}
