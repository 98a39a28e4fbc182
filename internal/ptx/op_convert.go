package ptx

import (
	"math"
	"math/bits"
)

// Moves and conversions: PTX ISA 8.8, sections 9.7.9.1 (mov), 9.7.9.20 (cvta) and 9.7.9.21 (cvt).

// decodeMove decodes mov: of a register, number, special register or address; of predicates; and between a register and the parts
// of a list.
func decodeMove(r *reader) {
	t := r.typ("pred b16 b32 b64 f32 f64 " + integers)
	if t == predicate {
		decodePredicateMove(r, false)
		return
	}
	if !r.want(2) {
		return
	}
	switch args := r.statement.args; {
	case args[1].kind == listArg:
		decodePack(r, t)
	case args[0].kind == listArg:
		decodeUnpack(r, t)
	default:
		r.inst.d, r.inst.a = r.d(t), r.s(1, t)
		r.lanewise(func(d, a, _, _ *row) { *d = *a })
	}
}

// parts returns the type of the elements of a list that a mov of type t packs or unpacks.
func (r *reader) parts(t scalar, list []arg) scalar {
	if !t.untyped() || len(list) != 2 && len(list) != 4 || t.bits()/len(list) < 16 {
		r.fail("a list of 2 or 4 elements of at least 16 bits expected, and a type of .b32 or .b64")
		return noType
	}
	return map[int]scalar{16: b16, 32: b32}[t.bits()/len(list)]
}

func decodePack(r *reader, t scalar) {
	list := r.statement.args[1].list
	part := r.parts(t, list)
	if r.err != nil {
		return
	}
	var from []int32
	for _, a := range list {
		from = append(from, r.source(a, part, false))
	}
	r.inst.d = r.d(t)
	r.apply(func(w *warp, in *inst, mask uint32) {
		for ; mask != 0; mask &= mask - 1 {
			lane := bits.TrailingZeros32(mask)
			var packed uint64
			for i, at := range from {
				packed |= w.rows[at][lane] << (i * part.bits())
			}
			w.rows[in.d][lane] = packed
		}
	})
}

func decodeUnpack(r *reader, t scalar) {
	list := r.statement.args[0].list
	part := r.parts(t, list)
	if r.err != nil {
		return
	}
	var to []int32
	for _, a := range list {
		to = append(to, r.target(a, part, false))
	}
	r.inst.a = r.s(1, t)
	r.apply(func(w *warp, in *inst, mask uint32) {
		for ; mask != 0; mask &= mask - 1 {
			lane := bits.TrailingZeros32(mask)
			packed := w.rows[in.a][lane]
			for i, at := range to {
				w.rows[at][lane] = packed >> (i * part.bits()) & ones(part.bits())
			}
		}
	})
}

// decodeCvta decodes cvta: between generic addresses and those of a space.
func decodeCvta(r *reader) {
	to := r.has("to")
	s := spaceNames[r.must("global shared shared::cta local const")]
	r.typ("u64")
	if s == constant {
		r.fail("generic addresses of .const variables are not supported")
	}
	window := map[space]uint64{shared: sharedWindow, local: localWindow}[s]
	if to {
		window = -window
	}
	r.unary(u64, func(a uint64) uint64 { return a + window })
}

// decodeIsspacep decodes isspacep: whether a generic address lies in a space.
func decodeIsspacep(r *reader) {
	s := spaceNames[r.must("global shared shared::cta local")]
	if !r.want(2) {
		return
	}
	d := r.predicateTarget(r.statement.args[0].name)
	r.inst.a = r.s(1, u64)
	r.apply(func(w *warp, in *inst, mask uint32) {
		a := &w.rows[in.a]
		w.setPredicate(d, mask, ballot(mask, a, a, func(x, _ uint64) bool {
			found, _ := resolve(x)
			return found == s
		}))
	})
}

// conversion is a cvt with all its modifiers.
type conversion struct {
	to, from scalar
	in, out  *format // of from and to; nil where they are f64 or integers
	rounds   rounding
	whole    bool // rounded to an integer: .rni, .rzi, .rmi, .rpi
	ftz      bool
	sat      bool
	relu     bool
}

// decodeCvt decodes cvt. Forms with other types than these (fp8, .pack) are refused.
func decodeCvt(r *reader) {
	var c conversion
	whole := r.oneOf("rni rzi rmi rpi")
	mode := whole
	if mode != "" {
		c.whole = true
		mode = mode[:2]
	} else {
		mode = r.oneOf("rn rz rm rp rna")
	}
	c.rounds = roundings[mode]
	c.relu = r.has("relu")
	c.ftz = r.has("ftz")
	c.sat = r.has("sat")
	const types = "u8 s8 u16 s16 u32 s32 u64 s64 f16 f32 f64"
	c.to = r.typ(types + " bf16 tf32 f16x2 bf16x2")
	c.from = r.typ(types)
	if r.err != nil {
		return
	}
	c.in, c.out = formats[c.from], formats[c.to]
	if c.to == f16x2 || c.to == bf16x2 {
		decodeCvtPair(r, c, mode)
		return
	}
	r.checkCvt(c, mode)
	if !r.want(2) {
		return
	}
	d := r.target(r.statement.args[0], c.to, true)
	r.inst.d, r.inst.a = d, r.source(r.statement.args[1], c.from, true)
	if r.err != nil {
		return
	}
	wide := c.to.bits()
	if c.to.signed() { // the result is sign-extended to the register
		reg, _ := r.names.register(r.statement.args[0].name, r.decoder)
		wide = max(reg.typ.bits(), wide)
	}
	r.lanewise(c.rows(wide))
}

// rows returns the function that converts all lanes, to a register of a number of bits.
func (c conversion) rows(wide int) rowFunc {
	one, from, to, kept := c.one(), c.from.bits(), c.to.bits(), ones(wide)
	switch plain := c.from.integer() && c.to.integer() && !c.sat; {
	case plain && c.from.signed() && to >= from, plain && c.to.signed() && to <= from: // the sign of the narrower
		size := min(from, to)
		return func(d, a, _, _ *row) {
			for i := range d {
				d[i] = extend(a[i], size) & kept
			}
		}
	case plain && !c.to.signed():
		both := ones(min(from, to))
		return func(d, a, _, _ *row) {
			for i := range d {
				d[i] = a[i] & both
			}
		}
	case c.to.signed():
		return each1(func(a uint64) uint64 { return extend(one(a), to) & kept })
	}
	return each1(one)
}

// checkCvt refuses what PTX does not allow: a rounding where none happens, none where one does.
func (r *reader) checkCvt(c conversion, mode string) {
	narrows := c.to.float() && c.from.float() && c.from.bytes() > c.to.bytes() || c.to == tf32
	switch {
	case c.to == tf32 && (c.from != f32 || mode != "rna"):
		r.fail("a conversion to .tf32 is .rna.tf32.f32")
	case c.to == bf16 && c.from != f32:
		r.fail("a conversion to .bf16 is from .f32")
	case mode == "rna" && c.to != tf32:
		r.fail(".rna is for .tf32 alone")
	case c.from.float() && !c.to.float() && !c.whole:
		r.fail("a conversion to an integer needs .rni, .rzi, .rmi or .rpi")
	case c.whole && (!c.from.float() || c.to.float() && c.to != c.from):
		r.fail("rounding to an integer is for floats")
	case narrows && mode == "", c.to.float() && !c.from.float() && (mode == "" || c.whole):
		r.fail("a rounding (.rn, .rz, .rm or .rp) expected")
	case c.to.float() && c.from.float() && !narrows && mode != "" && !c.whole, !c.to.float() && !c.from.float() && mode != "":
		r.fail("no rounding expected")
	case c.ftz && c.from != f32 && c.to != f32:
		r.fail(".ftz is for .f32 alone")
	case c.sat && (c.to == bf16 || c.to == tf32 || !c.to.float() && c.from.float()),
		c.relu && (c.from != f32 || c.to != f16 && c.to != bf16):
		r.fail("this .sat or .relu is not supported")
	}
}

// one returns the function that converts one value.
func (c conversion) one() func(a uint64) uint64 {
	switch {
	case c.from.float() && c.to.float():
		return c.floatToFloat
	case c.from.float():
		return c.floatToInteger
	case c.to.float():
		return c.integerToFloat
	}
	if c.sat {
		return c.integerToIntegerSaturated
	}
	from, to := c.from.bits(), ones(c.to.bits())
	if c.from.signed() {
		return func(a uint64) uint64 { return extend(a, from) & to }
	}
	both := ones(from) & to
	return func(a uint64) uint64 { return a & both }
}

// read returns the value of a float's bits.
func (c conversion) read(a uint64) float64 {
	if c.from == f64 {
		return math.Float64frombits(a)
	}
	a &= ones(c.in.bits)
	if c.ftz && c.from == f32 {
		a = c.in.flush(a)
	}
	return c.in.widen(a)
}

// integral rounds to an integer.
func integral(x float64, r rounding) float64 {
	switch r {
	case nearest:
		return math.RoundToEven(x)
	case down:
		return math.Floor(x)
	case up:
		return math.Ceil(x)
	}
	return math.Trunc(x)
}

func (c conversion) floatToFloat(a uint64) uint64 {
	x := c.read(a)
	if c.whole {
		x = integral(x, c.rounds)
	}
	if c.sat {
		x = saturate(x)
	}
	if c.relu && x <= 0 {
		x = 0
	}
	if c.to == f64 {
		return double(x)
	}
	result := c.out.narrow(x, c.rounds)
	if c.ftz && c.to == f32 {
		result = single.flush(result)
	}
	return result
}

// floatToInteger clamps to the integer's range. NaN becomes 0, but of or to 64 bits the integer with the top bit alone
// (PTX ISA, cvt, "Floating Point Notes").
func (c conversion) floatToInteger(a uint64) uint64 {
	x := integral(c.read(a), c.rounds)
	size := c.to.bits()
	if x != x {
		if c.from == f64 || size == 64 {
			return 1 << (size - 1)
		}
		return 0
	}
	low, high := 0.0, math.Ldexp(1, size)
	if c.to.signed() {
		low, high = -math.Ldexp(1, size-1), math.Ldexp(1, size-1)
	}
	switch {
	case x < low:
		return uint64(int64(low)) & ones(size)
	case x >= high && c.to.signed():
		return ones(size - 1)
	case x >= high:
		return ones(size)
	case x < 0:
		return uint64(int64(x)) & ones(size)
	}
	return uint64(x)
}

// extend returns the lowest bits of a, sign-extended.
func extend(a uint64, size int) uint64 { return uint64(int64(a<<(64-size)) >> (64 - size)) }

// value returns an integer's value, extended from the type to 64 bits.
func (c conversion) value(a uint64) uint64 {
	if c.from.signed() {
		return extend(a, c.from.bits())
	}
	return a & ones(c.from.bits())
}

func (c conversion) integerToFloat(a uint64) uint64 {
	v := c.value(a)
	negative := c.from.signed() && int64(v) < 0
	if negative {
		v = -v
	}
	if c.to == f64 {
		x := float64(v) // to nearest
		if c.rounds != nearest {
			x = towardInteger(x, v, c.rounds, negative)
		}
		if negative {
			x = -x
		}
		return double(x)
	}
	x := oddInteger(v, negative)
	if c.sat {
		x = saturate(x)
	}
	return c.out.narrow(x, c.rounds)
}

// towardInteger turns x, the float64 nearest to the magnitude v of an integer, into v rounded by r.
func towardInteger(x float64, v uint64, r rounding, negative bool) float64 {
	above := 0
	switch {
	case x >= 0x1p64 || uint64(x) > v:
		above = -1
	case uint64(x) < v:
		above = 1
	}
	if negative && (r == up || r == down) {
		r = up + down - r // of a magnitude
	}
	return toward(x, above, r)
}

func (c conversion) integerToIntegerSaturated(a uint64) uint64 {
	v := c.value(a)
	size := c.to.bits()
	if c.from.signed() && int64(v) < 0 {
		if !c.to.signed() {
			return 0
		}
		return uint64(max(int64(v), -1<<(size-1))) & ones(size)
	}
	if c.to.signed() {
		return min(v, ones(size-1))
	}
	return min(v, ones(size))
}

// decodeCvtPair decodes cvt of two f32 to a packed pair: the first goes to the upper half.
func decodeCvtPair(r *reader, c conversion, mode string) {
	if c.from != f32 || mode != "rn" && mode != "rz" || c.ftz || c.sat || c.whole {
		r.fail("a pair is made by .rn or .rz, with .relu or not, from .f32")
	}
	if !r.want(3) {
		return
	}
	r.inst.d, r.inst.a, r.inst.b = r.d(c.to), r.s(1, f32), r.s(2, f32)
	r.lanewise(each2(func(high, low uint64) uint64 { return c.floatToFloat(high)<<16 | c.floatToFloat(low) }))
}

func init() {
	define("mov", decodeMove)
	define("cvta", decodeCvta)
	define("isspacep", decodeIsspacep)
	define("cvt", decodeCvt)
}
