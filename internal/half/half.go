// Package half converts float32 to the two 16-bit formats that weights are stored in, and back: IEEE 754 binary16 (F16), with 5 bits of
// exponent and 10 of fraction, and bfloat16 (BF16), the upper half of a float32.
//
// Widening is exact. Narrowing rounds to the nearest value, of two as near to the one whose last bit is 0; what is too large becomes infinite,
// and a NaN stays one, made quiet.
package half

import "math"

// MaxF16 is the largest finite binary16. From MaxF16+16 on, float32 values round to infinity.
const MaxF16 = 65504

// Parts of a float32.
const (
	magnitude = 1<<31 - 1
	infinity  = 0xff << 23
)

// ToF16 rounds x to binary16.
func ToF16(x float32) uint16 {
	bits := math.Float32bits(x)
	sign, bits := uint16(bits>>16)&0x8000, bits&magnitude
	switch {
	case bits > infinity:
		return sign | 0x7e00 | uint16(bits>>13)&0x3ff
	case bits >= 0x477ff000: // 65520, as near to MaxF16 as to the power of two above it
		return sign | 0x7c00
	case bits < 0x38800000: // 2^-14: below, the values of binary16 are multiples of 2^-24, which are those of float32 between 1/2 and 1
		const base = 0.5
		return sign | uint16(math.Float32bits(math.Float32frombits(bits)+base)-math.Float32bits(base))
	}
	const rebias = (127 - 15) << 23
	return sign | uint16(roundOff(bits-rebias, 13))
}

// FromF16 widens a binary16.
func FromF16(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0:
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 0x1f:
		return math.Float32frombits(sign | infinity | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// ToBF16 rounds x to bfloat16.
func ToBF16(x float32) uint16 {
	bits := math.Float32bits(x)
	if bits&magnitude > infinity {
		return uint16(bits>>16) | 0x40
	}
	return uint16(roundOff(bits, 16))
}

// FromBF16 widens a bfloat16.
func FromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// roundOff divides by 2^n, to the nearest integer, of two the even one. A carry out of the fraction raises the exponent, as it should.
func roundOff(bits uint32, n int) uint32 {
	return (bits + 1<<(n-1) - 1 + bits>>n&1) >> n
}
