package ptx

import (
	"math"
	"math/big"
)

// Floating-point arithmetic: PTX ISA 8.8, sections 9.7.3 to 9.7.5. All of it but float64 is computed in float64 rounded to odd and
// then rounded once to its format, so that every rounding mode is exact; f32 rounded to nearest uses the processor's own arithmetic.

// arithmetic is what a float instruction computes: of up to three operands, as a float64 rounded to odd. Only .rm needs to know its
// rounding, for the sign of a sum of zero. Products of two numbers of 24 bits are exact in float64; their quotients and roots are
// no nearer to a number of 25 bits, without being it, than float64 can tell, so that plain rounding to float64 does no harm there
// (Figueroa, "When is double rounding innocuous?", 1995).
type arithmetic func(a, b, c float64, r rounding) float64

// floatForm is a float instruction with all its modifiers.
type floatForm struct {
	typ     scalar
	format  *format // nil for f64
	pairs   bool    // two numbers in a register
	rounds  rounding
	ftz     bool
	sat     bool // the result is clamped to [0, 1]
	relu    bool // the result is clamped to [0, inf)
	operate arithmetic
}

// formats gives the format of a type, for each of the two numbers of a packed one.
var formats = map[scalar]*format{f16: half, f16x2: half, bf16: bfloat, bf16x2: bfloat, f32: single, tf32: tensor32}

// once computes one number from the bits of its operands.
func (f *floatForm) once(a, b, c uint64) uint64 {
	if f.format == nil {
		return double(f.operate(math.Float64frombits(a), math.Float64frombits(b), math.Float64frombits(c), f.rounds))
	}
	if f.ftz {
		a, b, c = f.format.flush(a), f.format.flush(b), f.format.flush(c)
	}
	x := f.operate(f.format.widen(a), f.format.widen(b), f.format.widen(c), f.rounds)
	switch {
	case f.sat:
		x = saturate(x)
	case f.relu && x <= 0:
		x = 0
	}
	result := f.format.narrow(x, f.rounds)
	if f.ftz {
		result = f.format.flush(result)
	}
	return result
}

// single is once for f32 rounded to nearest.
func (f *floatForm) single(a, b, c uint64) uint64 {
	if f.ftz {
		a, b, c = single.flush(a), single.flush(b), single.flush(c)
	}
	x := f.operate(float64(toFloat(a)), float64(toFloat(b)), float64(toFloat(c)), nearest)
	if f.sat {
		x = saturate(x)
	}
	result := float(float32(x))
	if f.ftz {
		result = single.flush(result)
	}
	return result
}

// saturate clamps to [0, 1]; NaN and -0 become 0.
func saturate(x float64) float64 {
	if !(x > 0) {
		return 0
	}
	return min(x, 1)
}

// double returns the bits of a float64, all NaNs the same.
func double(x float64) uint64 {
	if x != x {
		return 0x7fffffffffffffff
	}
	return math.Float64bits(x)
}

// whole computes a register's number, or both of its two.
func (f *floatForm) whole(a, b, c uint64) uint64 {
	if !f.pairs {
		return f.once(a, b, c)
	}
	return f.once(a&0xffff, b&0xffff, c&0xffff) | f.once(a>>16, b>>16, c>>16)<<16
}

// decodeFloat decodes the float instructions of one to three operands of one type.
func decodeFloat(r *reader) {
	name := r.statement.base()
	rule, known := floatRules[name]
	if !known {
		r.fail("no such instruction on floats")
		return
	}
	var f floatForm
	approximate := r.oneOf(rule.approximate)
	mode := ""
	if approximate == "" {
		mode = r.oneOf(rule.roundings)
	}
	f.rounds = roundings[mode]
	f.ftz = r.has("ftz")
	f.sat = rule.clamps && r.has("sat")
	nan := rule.nan && r.has("NaN")
	f.relu = rule.clamps && name == "fma" && !f.sat && r.has("relu")
	f.typ = r.typ(rule.types)
	f.format = formats[f.typ]
	f.pairs = f.typ == f16x2 || f.typ == bf16x2
	f.operate = rule.operate
	switch {
	case f.typ == f64 && rule.operate64 != nil:
		f.operate = rule.operate64
	case nan && name == "min":
		f.operate = smallestNaN
	case nan:
		f.operate = largestNaN
	}
	halves := f.typ != f32 && f.typ != f64
	switch {
	case f.ftz && (f.typ == f64 || f.typ == bf16 || f.typ == bf16x2):
		r.fail(".ftz is not for %v", f.typ)
	case f.sat && (f.typ == f64 || f.typ == bf16 || f.typ == bf16x2), f.relu && !halves:
		r.fail(".sat and .relu are not for %v", f.typ)
	case halves && f.rounds != nearest:
		r.fail("%v can be rounded to nearest (.rn) alone", f.typ)
	case rule.rounded && mode == "" && approximate == "":
		r.fail("a rounding expected")
	case f.typ == f64 && approximate != "":
		r.fail(".approx is not for .f64")
	}
	if !r.want(rule.operands + 1) {
		return
	}
	r.inst.d, r.inst.a = r.d(f.typ), r.s(1, f.typ)
	if rule.operands > 1 {
		r.inst.b = r.s(2, f.typ)
	}
	if rule.operands > 2 {
		r.inst.c = r.s(3, f.typ)
	}
	r.countFloat(f, rule)
	r.lanewise(f.loop(name, rule.operands))
}

// countFloat says what the instruction's work is.
func (r *reader) countFloat(f floatForm, rule floatRule) {
	flops := rule.flops
	if f.pairs {
		flops *= 2
	}
	switch {
	case rule.special:
		r.count(specialWork, flops)
	case f.typ == f64:
		r.count(doubleWork, flops)
	case f.typ == f32:
		r.count(singleWork, flops)
	default:
		r.count(halfWork, flops)
	}
}

// loop returns the loop over lanes, with the short forms of the commonest instructions.
func (f floatForm) loop(name string, operands int) rowFunc {
	if f.typ == f32 && f.rounds == nearest && !f.ftz && !f.sat {
		switch name {
		case "add", "sub", "mul", "fma":
			return floatRows[name]
		case "mad":
			return floatRows["fma"]
		case "div":
			return each2(func(a, b uint64) uint64 { return float(toFloat(a) / toFloat(b)) })
		}
	}
	if name == "neg" || name == "abs" {
		return f.signLoop(name)
	}
	if f.typ == f32 && f.rounds == nearest {
		return each3(f.single)
	}
	switch operands {
	case 1:
		return each1(func(a uint64) uint64 { return f.whole(a, 0, 0) })
	case 2:
		return each2(func(a, b uint64) uint64 { return f.whole(a, b, 0) })
	}
	return each3(f.whole)
}

func toFloat(b uint64) float32 { return math.Float32frombits(uint32(b)) }

// float returns the bits of a float32, all NaNs the same.
func float(x float32) uint64 {
	if x != x {
		return single.nan
	}
	return uint64(math.Float32bits(x))
}

// floatRows are the instructions on f32 that matter most, rounded to nearest; replaced by assembly where there is any.
var floatRows = map[string]rowFunc{"add": addFloats, "sub": subtractFloats, "mul": multiplyFloats, "fma": fuse}

func addFloats(d, a, b, _ *row) {
	for i := range d {
		d[i] = float(toFloat(a[i]) + toFloat(b[i]))
	}
}

func subtractFloats(d, a, b, _ *row) {
	for i := range d {
		d[i] = float(toFloat(a[i]) - toFloat(b[i]))
	}
}

func multiplyFloats(d, a, b, _ *row) {
	for i := range d {
		d[i] = float(toFloat(a[i]) * toFloat(b[i]))
	}
}

// fuse is fma.rn.f32, the instruction that matters most: a*b + c rounded once. The product of two float32 is exact in float64, so only
// the sum needs care: where its float64 lies on a tie of float32, or the result may be subnormal, it is rounded to odd first.
func fuse(d, a, b, c *row) {
	const (
		tie       = 1 << 28            // of the 29 bits that a float32 lacks
		subnormal = (1023-125)<<53 - 1 // twice the bits of the least sum that is none for sure, minus 1
	)
	for i := range d {
		product, addend := float64(toFloat(a[i]))*float64(toFloat(b[i])), float64(toFloat(c[i]))
		sum := product + addend
		if bits := math.Float64bits(sum); bits&(2*tie-1) == tie || bits<<1-1 < subnormal { // 0 is exact, and passes
			sum = oddSum(product, addend)
		}
		d[i] = float(float32(sum))
	}
}

// signLoop negates or takes the magnitude by the sign bit, NaNs included.
func (f floatForm) signLoop(name string) rowFunc {
	size := f.typ.bits()
	sign := uint64(1) << (size - 1)
	if f.pairs {
		sign |= 1 << 15
	}
	ftz := func(a uint64) uint64 { return a }
	if f.ftz {
		ftz = func(a uint64) uint64 {
			if f.pairs {
				return f.format.flush(a&0xffff) | f.format.flush(a>>16)<<16
			}
			return f.format.flush(a)
		}
	}
	if name == "abs" {
		return each1(func(a uint64) uint64 { return ftz(a) &^ sign })
	}
	return each1(func(a uint64) uint64 { return ftz(a) ^ sign })
}

// floatRule says which forms of a float instruction there are.
type floatRule struct {
	operands    int
	types       string
	roundings   string
	approximate string // the modifiers that allow an error, or mean an exact operation of another name
	rounded     bool   // the rounding, or the approximation, cannot be left out
	clamps      bool   // .sat, or for fma of halves .relu
	nan         bool   // .NaN
	special     bool
	flops       float64
	operate     arithmetic
	operate64   arithmetic // rounds to float64 itself; nil where operate does
}

const (
	allFloats    = "f32 f64 f16 f16x2 bf16 bf16x2"
	sm80Floats   = "f32 f64 f16 f16x2" // for what bf16 needs sm_90
	allRoundings = "rn rz rm rp"
)

var floatRules = map[string]floatRule{
	"add": {operands: 2, types: sm80Floats, roundings: allRoundings, clamps: true, flops: 1,
		operate:   func(a, b, _ float64, r rounding) float64 { return signOfZero(oddSum(a, b), a, b, r) },
		operate64: func(a, b, _ float64, r rounding) float64 { return directed(a+b, a, 1, b, r) }},
	"sub": {operands: 2, types: sm80Floats, roundings: allRoundings, clamps: true, flops: 1,
		operate:   func(a, b, _ float64, r rounding) float64 { return signOfZero(oddSum(a, -b), a, -b, r) },
		operate64: func(a, b, _ float64, r rounding) float64 { return directed(a-b, a, 1, -b, r) }},
	"mul": {operands: 2, types: sm80Floats, roundings: allRoundings, clamps: true, flops: 1,
		operate:   func(a, b, _ float64, _ rounding) float64 { return a * b },
		operate64: func(a, b, _ float64, r rounding) float64 { return directed(a*b, a, b, 0, r) }},
	"fma": {operands: 3, types: allFloats, roundings: allRoundings, rounded: true, clamps: true, flops: 2,
		operate: fusedSum, operate64: fusedSum64},
	"mad": {operands: 3, types: "f32 f64", roundings: allRoundings, rounded: true, clamps: true, flops: 2,
		operate: fusedSum, operate64: fusedSum64},
	"div": {operands: 2, types: "f32 f64", roundings: allRoundings, approximate: "approx full", rounded: true, special: true, flops: 1,
		operate:   func(a, b, _ float64, _ rounding) float64 { return a / b },
		operate64: func(a, b, _ float64, r rounding) float64 { return directedQuotient(a, b, r) }},
	"rcp": {operands: 1, types: "f32 f64", roundings: allRoundings, approximate: "approx", rounded: true, special: true, flops: 1,
		operate:   func(a, _, _ float64, _ rounding) float64 { return 1 / a },
		operate64: func(a, _, _ float64, r rounding) float64 { return directedQuotient(1, a, r) }},
	"sqrt": {operands: 1, types: "f32 f64", roundings: allRoundings, approximate: "approx", rounded: true, special: true, flops: 1,
		operate:   func(a, _, _ float64, _ rounding) float64 { return math.Sqrt(a) },
		operate64: func(a, _, _ float64, r rounding) float64 { return directedRoot(a, r) }},
	"rsqrt": {operands: 1, types: "f32", approximate: "approx", rounded: true, special: true, flops: 1,
		operate: func(a, _, _ float64, _ rounding) float64 { return 1 / math.Sqrt(a) }},
	"ex2": {operands: 1, types: "f32 f16 f16x2", approximate: "approx", rounded: true, special: true, flops: 1,
		operate: func(a, _, _ float64, _ rounding) float64 { return math.Exp2(a) }},
	"lg2": {operands: 1, types: "f32", approximate: "approx", rounded: true, special: true, flops: 1,
		operate: func(a, _, _ float64, _ rounding) float64 { return math.Log2(a) }},
	"sin": {operands: 1, types: "f32", approximate: "approx", rounded: true, special: true, flops: 1,
		operate: func(a, _, _ float64, _ rounding) float64 { return math.Sin(a) }},
	"cos": {operands: 1, types: "f32", approximate: "approx", rounded: true, special: true, flops: 1,
		operate: func(a, _, _ float64, _ rounding) float64 { return math.Cos(a) }},
	"tanh": {operands: 1, types: "f32 f16 f16x2", approximate: "approx", rounded: true, special: true, flops: 1,
		operate: func(a, _, _ float64, _ rounding) float64 { return math.Tanh(a) }},
	"min": {operands: 2, types: allFloats, nan: true, flops: 1, operate: smallest},
	"max": {operands: 2, types: allFloats, nan: true, flops: 1, operate: largest},
	"neg": {operands: 1, types: allFloats},
	"abs": {operands: 1, types: allFloats},
}

func fusedSum(a, b, c float64, r rounding) float64 {
	return signOfZero(oddSum(a*b, c), a*b, c, r)
}

func fusedSum64(a, b, c float64, r rounding) float64 { return directed(math.FMA(a, b, c), a, b, c, r) }

// smallest returns the lesser of two numbers, of which one may be NaN; -0 is less than +0.
func smallest(a, b, _ float64, _ rounding) float64 {
	switch {
	case a != a:
		return b
	case b != b:
		return a
	}
	return min(a, b)
}

func largest(a, b, _ float64, _ rounding) float64 {
	switch {
	case a != a:
		return b
	case b != b:
		return a
	}
	return max(a, b)
}

func smallestNaN(a, b, _ float64, _ rounding) float64 { return min(a, b) }
func largestNaN(a, b, _ float64, _ rounding) float64  { return max(a, b) }

// directed turns rn, which is a*b + c rounded to nearest, into the same rounded by r.
func directed(rn, a, b, c float64, r rounding) float64 {
	if r == nearest || rn != rn || math.IsInf(a, 0) || math.IsInf(b, 0) || math.IsInf(c, 0) {
		return rn
	}
	exact := new(big.Float).SetPrec(4500).SetMode(big.ToZero)
	exact.Mul(big.NewFloat(a), exactly(b))
	if exact.Add(exact, exactly(c)).Sign() == 0 {
		return signOfZero(rn, a*b, c, r)
	}
	return toward(rn, exact.Cmp(exactly(rn)), r)
}

// exactly returns x with a precision that no sum of products rounds.
func exactly(x float64) *big.Float { return new(big.Float).SetPrec(4500).SetFloat64(x) }

// directedQuotient returns a / b rounded by r.
func directedQuotient(a, b float64, r rounding) float64 {
	rn := a / b
	if r == nearest || rn != rn || b == 0 || math.IsInf(a, 0) || math.IsInf(b, 0) || a == 0 {
		return rn
	}
	if math.IsInf(rn, 0) {
		return toward(rn, -sign(rn), r)
	}
	product := new(big.Float).SetPrec(4500).Mul(exactly(rn), exactly(b))
	return toward(rn, exactly(a).Cmp(product)*sign(b), r)
}

// directedRoot returns the square root of a rounded by r.
func directedRoot(a float64, r rounding) float64 {
	rn := math.Sqrt(a)
	if r == nearest || rn != rn || math.IsInf(a, 0) || a == 0 {
		return rn
	}
	square := new(big.Float).SetPrec(4500).Mul(exactly(rn), exactly(rn))
	return toward(rn, exactly(a).Cmp(square), r)
}

func sign(x float64) int {
	if math.Signbit(x) {
		return -1
	}
	return 1
}

// toward returns rn, the float64 nearest to an exact number, or its neighbour: the number rounded by r. above is the sign of the
// exact number minus rn.
func toward(rn float64, above int, r rounding) float64 {
	switch {
	case above > 0 && (r == up || r == towardZero && math.Signbit(rn)):
		return math.Nextafter(rn, math.Inf(1))
	case above < 0 && (r == down || r == towardZero && !math.Signbit(rn)):
		return math.Nextafter(rn, math.Inf(-1))
	}
	return rn
}

func init() {
	define("fma rcp sqrt rsqrt ex2 lg2 sin cos tanh", decodeFloat)
	define("copysign", func(r *reader) {
		t := r.typ("f32 f64")
		sign := uint64(1) << (t.bits() - 1)
		r.binary(t, func(a, b uint64) uint64 { return b&^sign | a&sign })
	})
	define("testp", func(r *reader) {
		kind := r.must("finite infinite number notanumber normal subnormal")
		t := r.typ("f32 f64")
		if !r.want(2) {
			return
		}
		d := r.predicateTarget(r.statement.args[0].name)
		r.inst.a = r.s(1, t)
		is := testsOf(t)[kind]
		r.apply(func(w *warp, in *inst, mask uint32) {
			a := &w.rows[in.a]
			w.setPredicate(d, mask, ballot(mask, a, a, func(x, _ uint64) bool { return is(x) }))
		})
	})
}

// testsOf returns the questions of testp about a number's bits.
func testsOf(t scalar) map[string]func(x uint64) bool {
	magnitude := ones(t.bits() - 1)
	infinity, normal := uint64(0x7f800000), uint64(1)<<23
	if t == f64 {
		infinity, normal = 0x7ff<<52, 1<<52
	}
	return map[string]func(x uint64) bool{
		"finite":     func(x uint64) bool { return x&magnitude < infinity },
		"infinite":   func(x uint64) bool { return x&magnitude == infinity },
		"number":     func(x uint64) bool { return x&magnitude <= infinity },
		"notanumber": func(x uint64) bool { return x&magnitude > infinity },
		"normal":     func(x uint64) bool { return x&magnitude >= normal && x&magnitude < infinity },
		"subnormal":  func(x uint64) bool { return x&magnitude != 0 && x&magnitude < normal },
	}
}
