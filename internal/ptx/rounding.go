package ptx

import (
	"math"
	"math/bits"
)

// rounding is a direction: how a result that has no exact representation is rounded.
type rounding uint8

const (
	nearest     rounding = iota // .rn: to nearest, ties to even
	towardZero                  // .rz
	down                        // .rm: toward minus infinity
	up                          // .rp: toward plus infinity
	nearestAway                 // .rna: to nearest, ties away from zero
)

var roundings = map[string]rounding{"": nearest, "rn": nearest, "rz": towardZero, "rm": down, "rp": up, "rna": nearestAway}

// format is a binary floating-point format of IEEE 754's shape.
type format struct {
	precision int    // bits of the significand, the hidden one included
	minimum   int    // exponent of the smallest normal number
	bits      int    // of a value
	unused    int    // low bits that are zero: tf32 is kept in 32 bits
	nan       uint64 // what a NaN result is
}

var (
	half     = &format{precision: 11, minimum: -14, bits: 16, nan: 0x7fff}
	bfloat   = &format{precision: 8, minimum: -126, bits: 16, nan: 0x7fff}
	single   = &format{precision: 24, minimum: -126, bits: 32, nan: 0x7fffffff}
	tensor32 = &format{precision: 11, minimum: -126, bits: 32, unused: 13, nan: 0x7fffffff}
)

// narrow rounds x to the format and returns its bits. An x that was itself rounded to odd (see odd) gives the same bits as the
// exact number, because float64 has two bits more than any format here needs (Boldo and Melquiond, "When double rounding is odd", 2005).
func (f *format) narrow(x float64, r rounding) uint64 {
	if x != x {
		return f.nan
	}
	if f == single && r == nearest {
		return uint64(math.Float32bits(float32(x)))
	}
	var sign uint64
	if math.Signbit(x) {
		sign = 1 << (f.bits - 1)
		x = -x
	}
	if x == 0 {
		return sign
	}
	infinity := uint64(1<<(f.bits-1)) - 1<<(f.precision-1+f.unused)
	if math.IsInf(x, 0) {
		return sign | infinity
	}
	fraction, exponent := math.Frexp(x) // x = fraction 2^exponent, fraction in [0.5, 1)
	mantissa := uint64(fraction * (1 << 53))
	exponent--                                            // x = 1.… 2^exponent
	quantum := max(exponent, f.minimum) - f.precision + 1 // the exponent of the result's last bit
	shift := quantum - (exponent - 52)
	kept, rest, tie := uint64(0), mantissa, uint64(math.MaxUint64)
	if shift < 64 {
		kept, rest, tie = mantissa>>shift, mantissa&(1<<shift-1), uint64(1)<<(shift-1)
	}
	if rest != 0 && roundsUp(kept, rest, tie, sign != 0, r) {
		kept++
	}
	if kept == 1<<f.precision {
		kept >>= 1
		quantum++
	}
	if kept < 1<<(f.precision-1) {
		return sign | kept<<f.unused // subnormal
	}
	biased := uint64(quantum + f.precision - 1 - f.minimum + 1)
	result := (biased<<(f.precision-1) + kept - 1<<(f.precision-1)) << f.unused
	if result < infinity {
		return sign | result
	}
	if r == nearest || r == nearestAway || r == up && sign == 0 || r == down && sign != 0 {
		return sign | infinity
	}
	return sign | (infinity - 1<<f.unused)
}

// roundsUp reports whether a magnitude whose kept bits are followed by rest, not 0, goes to the next.
func roundsUp(kept, rest, tie uint64, negative bool, r rounding) bool {
	switch r {
	case nearest:
		return rest > tie || rest == tie && kept&1 == 1
	case nearestAway:
		return rest >= tie
	case up:
		return !negative
	case down:
		return negative
	}
	return false
}

// widen returns the value of bits in the format, exactly.
func (f *format) widen(b uint64) float64 {
	switch f {
	case single, tensor32:
		return float64(math.Float32frombits(uint32(b)))
	case bfloat:
		return float64(math.Float32frombits(uint32(b) << 16))
	}
	sign, exponent, fraction := b>>15&1, int(b>>10&31), b&1023
	var x float64
	switch {
	case exponent == 31 && fraction != 0:
		return math.NaN()
	case exponent == 31:
		x = math.Inf(1)
	case exponent == 0:
		x = math.Ldexp(float64(fraction), -24)
	default:
		x = math.Float64frombits(uint64(exponent-15+1023)<<52 | fraction<<42)
	}
	if sign != 0 {
		x = -x
	}
	return x
}

// flush turns a subnormal number of the format into zero of its sign, as .ftz does.
func (f *format) flush(b uint64) uint64 {
	magnitude := b & (1<<(f.bits-1) - 1)
	if magnitude < 1<<(f.precision-1+f.unused) {
		return b &^ magnitude
	}
	return b
}

// odd turns s, the float64 nearest to an exact number, into that number rounded to odd, given the sign of exact - s.
func odd(s, rest float64) float64 {
	b := math.Float64bits(s)
	if rest == 0 || b&1 == 1 || math.IsInf(s, 0) || s != s || rest != rest {
		return s
	}
	if (rest > 0) == (s > 0) {
		return math.Float64frombits(b + 1)
	}
	return math.Float64frombits(b - 1)
}

// oddSum returns a + b rounded to odd; the rest is Knuth's two-sum.
func oddSum(a, b float64) float64 {
	s := a + b
	t := s - a
	return odd(s, (a-(s-t))+(b-t))
}

// oddInteger returns an integer, given as magnitude and sign, as a float64 rounded to odd.
func oddInteger(magnitude uint64, negative bool) float64 {
	if lost := bits.Len64(magnitude) - 53; lost > 0 {
		sticky := magnitude & (1<<lost - 1)
		magnitude &^= 1<<lost - 1
		if sticky != 0 {
			magnitude |= 1 << lost
		}
	}
	if negative {
		return -float64(magnitude)
	}
	return float64(magnitude)
}

// signOfZero is the sign that an exact sum of zero has: IEEE 754 gives minus when rounding down, if the terms have not both the
// sign plus.
func signOfZero(sum, a, b float64, r rounding) float64 {
	if sum == 0 && r == down && (math.Signbit(a) || math.Signbit(b)) {
		return math.Copysign(0, -1)
	}
	return sum
}
