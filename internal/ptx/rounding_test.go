package ptx

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactRound rounds x to a format by a direction, with the arithmetic of math/big: the quantum is found from the exponent, and x in
// quanta is split into an integer and a fraction.
func exactRound(x *big.Float, f *format, r rounding) uint64 {
	if x.Sign() == 0 {
		return 0
	}
	magnitude := new(big.Float).Abs(x)
	exponent := max(magnitude.MantExp(nil)-1, f.minimum)
	quanta := new(big.Float).SetMantExp(magnitude, f.precision-1-exponent)
	whole, _ := quanta.Int(nil)
	fraction := new(big.Float).SetPrec(quanta.Prec()).Sub(quanta, new(big.Float).SetInt(whole))
	side := fraction.Cmp(big.NewFloat(0.5))
	negative := x.Sign() < 0
	switch {
	case fraction.Sign() == 0:
	case r == nearest && (side > 0 || side == 0 && whole.Bit(0) == 1),
		r == nearestAway && side >= 0, r == up && !negative, r == down && negative:
		whole.Add(whole, big.NewInt(1))
	}
	value := new(big.Float).SetMantExp(new(big.Float).SetInt(whole), exponent-f.precision+1)
	limit := new(big.Float).SetMantExp(big.NewFloat(1), 2-f.minimum)
	var magnitudeBits uint64
	if value.Cmp(limit) >= 0 {
		magnitudeBits = 1<<(f.bits-1) - 1<<(f.precision-1) // infinity
		if r == towardZero || r == up && negative || r == down && !negative {
			magnitudeBits-- // the largest number
		}
	} else if f.precision == 11 {
		v, _ := value.Float64()
		magnitudeBits = halfBits(v)
	} else {
		v, _ := value.Float32()
		magnitudeBits = uint64(math.Float32bits(v)) >> (32 - f.bits)
	}
	if negative {
		magnitudeBits |= 1 << (f.bits - 1)
	}
	return magnitudeBits
}

// halfBits returns the bits of a float16, given as its value, found by trying them all.
func halfBits(v float64) uint64 {
	for b := range uint64(0x7c00) {
		e, m := int(b>>10), float64(b&1023)
		x := math.Ldexp(1+m/1024, e-15)
		if e == 0 {
			x = math.Ldexp(m, -24)
		}
		if x == v {
			return b
		}
	}
	panic(fmt.Sprint("no float16 is ", v))
}

// operand returns a number of the format: of any exponent, or near those of others, where rounding is hard.
func operand(r *rand.Rand, f *format) uint64 {
	b := r.Uint64() & ones(f.bits)
	exponents := uint64(ones(f.bits-f.precision)) << (f.precision - 1)
	if r.IntN(3) > 0 { // near 1
		bias := uint64(1-f.minimum) - uint64(3) + uint64(r.IntN(6))
		b = b&^exponents | bias<<(f.precision-1)
	}
	if b&exponents == exponents {
		b ^= exponents // no infinities and NaNs
	}
	return b
}

func big64(x float64) *big.Float { return new(big.Float).SetPrec(2000).SetFloat64(x) }

func TestArithmeticIsRoundedOnceInEveryDirection(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	operations := map[string]func(a, b, c *big.Float) *big.Float{
		"add": func(a, b, _ *big.Float) *big.Float { return new(big.Float).SetPrec(2000).Add(a, b) },
		"sub": func(a, b, _ *big.Float) *big.Float { return new(big.Float).SetPrec(2000).Sub(a, b) },
		"mul": func(a, b, _ *big.Float) *big.Float { return new(big.Float).SetPrec(2000).Mul(a, b) },
		"fma": func(a, b, c *big.Float) *big.Float {
			p := new(big.Float).SetPrec(2000).Mul(a, b)
			return p.Add(p, c)
		},
		"div": func(a, b, _ *big.Float) *big.Float {
			if b.Sign() == 0 {
				return nil
			}
			return new(big.Float).SetPrec(2000).Quo(a, b)
		},
		"sqrt": func(a, _, _ *big.Float) *big.Float {
			if a.Sign() < 0 {
				return nil
			}
			return new(big.Float).SetPrec(2000).Sqrt(a)
		},
	}
	for name, operation := range operations {
		for _, typ := range []scalar{f32, f16, bf16} {
			directions := []rounding{nearest}
			if typ == f32 {
				directions = []rounding{nearest, towardZero, down, up}
			}
			for _, direction := range directions {
				form := floatForm{typ: typ, format: formats[typ], rounds: direction, operate: floatRules[name].operate}
				for range 400 {
					a, b, c := operand(r, form.format), operand(r, form.format), operand(r, form.format)
					exact := operation(big64(form.format.widen(a)), big64(form.format.widen(b)), big64(form.format.widen(c)))
					if exact == nil || exact.Sign() == 0 {
						continue
					}
					want := exactRound(exact, form.format, direction)
					if got := form.whole(a, b, c); got != want {
						t.Fatalf("%s%v of %#x, %#x, %#x rounded by %d is %#x, and %#x is right", name, typ, a, b, c, direction, got, want)
					}
				}
			}
		}
	}
}

func TestFastFusedMultiplyAddIsRoundedOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		a, b := operand(r, single), operand(r, single)
		c := operand(r, single)
		if r.IntN(2) == 0 { // a sum near a tie, or one that cancels
			c = uint64(math.Float32bits(-toFloat(a)*toFloat(b))) + uint64(r.IntN(3))
			if e := uint64(r.IntN(60)); c>>23&255 > 60 && c>>23&255 < 250 {
				c = c - e<<23 ^ uint64(r.IntN(2))<<31
			} else {
				c = 0
			}
		}
		p := new(big.Float).SetPrec(2000).Mul(big64(single.widen(a)), big64(single.widen(b)))
		p.Add(p, big64(single.widen(c)))
		if p.Sign() == 0 {
			continue
		}
		var d row
		rows := [3]row{filled(a), filled(b), filled(c)}
		fuse(&d, &rows[0], &rows[1], &rows[2])
		if got, want := d[lanes-1], exactRound(p, single, nearest); got != want {
			t.Fatalf("fma of %#x, %#x, %#x is %#x, and %#x is right", a, b, c, got, want)
		}
	}
}

func TestNarrowingRoundsInEveryDirection(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, format := range []*format{single, half, bfloat} {
		for _, direction := range []rounding{nearest, towardZero, down, up, nearestAway} {
			for range 300 {
				x := math.Ldexp(r.Float64()-0.5, r.IntN(300)-150)
				if format == half {
					x = math.Ldexp(r.Float64()-0.5, r.IntN(46)-27)
				}
				if got, want := format.narrow(x, direction), exactRound(big64(x), format, direction); got != want {
					t.Fatalf("%g rounded to %d bits by %d is %#x, and %#x is right", x, format.precision, direction, got, want)
				}
			}
		}
	}
}

func TestEveryHalfSurvivesWideningAndNarrowing(t *testing.T) {
	for _, format := range []*format{half, bfloat} {
		for b := range uint64(1 << 16) {
			if x := format.widen(b); x == x && format.narrow(x, nearest) != b {
				t.Fatalf("%#x becomes %g and then %#x", b, x, format.narrow(x, nearest))
			}
		}
	}
}
