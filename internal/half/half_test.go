package half

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// format is one of the two, with the parameters that its values follow from.
type format struct {
	name               string
	exponent, fraction int // bits
	to                 func(float32) uint16
	from               func(uint16) float32
}

var formats = []format{{"F16", 5, 10, ToF16, FromF16}, {"BF16", 8, 7, ToBF16, FromBF16}}

// value is what the bits stand for by IEEE 754, without the sign; the second result is false for infinity and NaN.
func (f format) value(h uint16) (float64, bool) {
	exponent, fraction := int(h&0x7fff)>>f.fraction, float64(h&(1<<f.fraction-1))
	bias := 1<<(f.exponent-1) - 1
	switch exponent {
	case 0:
		return math.Ldexp(fraction, 1-bias-f.fraction), true
	case 1<<f.exponent - 1:
		return 0, false
	}
	return math.Ldexp(fraction+float64(int(1)<<f.fraction), exponent-bias-f.fraction), true
}

func TestEveryValueWidensExactlyAndNarrowsBack(t *testing.T) {
	for _, f := range formats {
		for i := range 1 << 16 {
			h := uint16(i)
			wide := float64(f.from(h))
			want, finite := f.value(h)
			switch {
			case finite && math.Abs(wide) != want, math.Signbit(wide) != (h>>15 == 1):
				t.Errorf("%s %#04x is %g, want %g", f.name, h, wide, want)
			case !finite && math.IsNaN(wide) != (h&(1<<f.fraction-1) != 0), !finite && !math.IsNaN(wide) && !math.IsInf(wide, 0):
				t.Errorf("%s %#04x is %g", f.name, h, wide)
			}
			back, quiet := f.to(f.from(h)), h
			if math.IsNaN(wide) {
				quiet |= 1 << (f.fraction - 1)
			}
			if back != quiet {
				t.Errorf("%s %#04x comes back as %#04x", f.name, h, back)
			}
		}
	}
}

// nearest finds the value by bisection in exact arithmetic.
func (f format) nearest(x float32) uint16 {
	size := math.Abs(float64(x))
	low, high := uint16(0), uint16((1<<f.exponent-1)<<f.fraction) // high is infinity
	for high-low > 1 {
		middle := low + (high-low)/2
		if v, _ := f.value(middle); v <= size {
			low = middle
		} else {
			high = middle
		}
	}
	below, _ := f.value(low)
	previous, _ := f.value(low - min(low, 1))
	above, finite := f.value(high)
	if !finite {
		above = 2*below - previous // as if exponents went on
	}
	exact := func(v float64) *big.Rat { return new(big.Rat).SetFloat64(v) }
	down, up := new(big.Rat).Sub(exact(size), exact(below)), new(big.Rat).Sub(exact(above), exact(size))
	result := low
	if c := down.Cmp(up); c > 0 || c == 0 && low&1 == 1 {
		result = high
	}
	if math.Signbit(float64(x)) {
		result |= 0x8000
	}
	return result
}

func TestNarrowingRoundsToTheNearestAndTiesToEven(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, f := range formats {
		check := func(x float32) {
			t.Helper()
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return
			}
			if got, want := f.to(x), f.nearest(x); got != want {
				t.Errorf("%s of %g (%#08x) is %#04x, want %#04x", f.name, x, math.Float32bits(x), got, want)
			}
		}
		for range 20_000 {
			check(math.Float32frombits(random.Uint32()))
			// Around the midpoint of two neighbours, where it is decided.
			h := uint16(random.UintN(1 << 16))
			a, b := f.from(h), f.from(h+1)
			middle := float32((float64(a) + float64(b)) / 2)
			check(middle)
			check(math.Nextafter32(middle, a))
			check(math.Nextafter32(middle, b))
		}
		for _, x := range []float32{0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, math.MaxFloat32, -math.MaxFloat32,
			MaxF16, MaxF16 + 15.99, MaxF16 + 16, 0x1p-14, 0x1.ffcp-15, 0x1.ffep-15, 0x1p-24, 0x1p-25, 0x1.000002p-25} {
			check(x)
		}
	}
}

func TestInfinityAndNaNStay(t *testing.T) {
	for _, f := range formats {
		for _, sign := range []int{1, -1} {
			if got := f.from(f.to(float32(math.Inf(sign)))); !math.IsInf(float64(got), sign) {
				t.Errorf("%s of infinity is %g", f.name, got)
			}
		}
		// A payload in the low bits alone, which narrowing cuts off.
		if got := f.from(f.to(math.Float32frombits(0x7f800001))); !math.IsNaN(float64(got)) {
			t.Errorf("%s of NaN is %g", f.name, got)
		}
	}
}
