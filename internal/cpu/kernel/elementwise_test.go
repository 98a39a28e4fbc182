package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"trainer/internal/ref"
)

// Every table of kernels that this processor runs is held to package ref, which computes in float64. The lengths straddle
// vectors of 8 and 16 and their groups of four.
var lengths = []int{0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 255, 257, 1000}

// eachSet runs f for every table.
func eachSet(t *testing.T, f func(t *testing.T, s *Set)) {
	for _, s := range Sets() {
		t.Run(s.Name, func(t *testing.T) { f(t, s) })
	}
}

// guard is the number of elements around an array of the tests that a kernel must leave alone.
const guard = 20

// arrays hands out arrays with guards around them, filled from a seed.
type arrays struct {
	t      *testing.T
	random *rand.Rand
	whole  [][]float32
}

func newArrays(t *testing.T) *arrays { return &arrays{t: t, random: rand.New(rand.NewPCG(1, 2))} }

// outside is what the guards hold. As NaN it would also spoil every result that takes in an element of them.
var outside = math.Float32frombits(0x7fc12345)

// normal returns n normal deviates times scale.
func (a *arrays) normal(n int, scale float64) []float32 {
	whole := make([]float32, n+2*guard)
	for i := range whole {
		whole[i] = outside
		if i >= guard && i < guard+n {
			whole[i] = float32(scale * a.random.NormFloat64())
		}
	}
	a.whole = append(a.whole, whole)
	return whole[guard : guard+n : guard+n]
}

// of returns a guarded copy of values.
func (a *arrays) of(values []float32) []float32 {
	x := a.normal(len(values), 0)
	copy(x, values)
	return x
}

// checkGuards fails the test where a kernel wrote outside of an array.
func (a *arrays) checkGuards(what string) {
	a.t.Helper()
	for i, whole := range a.whole {
		for j, v := range whole {
			if (j < guard || j >= len(whole)-guard) && math.Float32bits(v) != math.Float32bits(outside) {
				a.t.Fatalf("%s: array %d of %d elements: element %d was written", what, i, len(whole)-2*guard, j-guard)
			}
		}
	}
}

// near fails the test unless |got - want| <= absolute + relative·|want|, NaN and infinities being the same.
func near(t *testing.T, what string, got, want []float32, absolute, relative float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d results, expected %d", what, len(got), len(want))
	}
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		if g == w || math.IsNaN(g) && math.IsNaN(w) {
			continue
		}
		if !(math.Abs(g-w) <= absolute+relative*math.Abs(w)) || math.IsInf(w, 0) {
			t.Fatalf("%s: element %d is %v, expected %v", what, i, g, w)
		}
	}
}

// ulp is the relative spacing of float32.
const ulp = 1.0 / (1 << 23)

// awkward are inputs at which kernels of elements go wrong first.
var awkward = []float32{
	0, float32(math.Copysign(0, -1)), 1e4, -1e4, 1e12, -1e12, 1e-30, -1e-30, 1e-40, -1e-40, math.SmallestNonzeroFloat32,
	87, -87, 88.7, 88.8, -88, -100, -103.9, -110, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
}

// elementKernels are the kernels that work on one element at a time, with up to three operands and some to overwrite.
var elementKernels = []struct {
	name string
	// run and want fill x[0] from x[1] and x[2] or update in place.
	run                func(s *Set, x [][]float32)
	want               func(x [][]float32)
	absolute, relative float64
}{
	// One rounding each: the same bits.
	{"Add", func(s *Set, x [][]float32) { s.Add(x[0], x[1], x[2]) }, func(x [][]float32) { ref.Add(x[0], x[1], x[2]) }, 0, 0},
	{"Scale", func(s *Set, x [][]float32) { s.Scale(x[0], x[1], 0.3) }, func(x [][]float32) { ref.Scale(x[0], x[1], 0.3) }, 0, 0},
	// One rounding with FMA, two without.
	{"SGD", func(s *Set, x [][]float32) { s.SGD(x[0], x[1], 0.1) }, func(x [][]float32) { ref.SGD(x[0], x[1], 0.1) }, ulp, ulp},
	// exp(-2u) inherits |2u| ulp from its argument; where that counts, GELU is small.
	{"GELU", func(s *Set, x [][]float32) { s.GELU(x[0], x[1]) }, func(x [][]float32) { ref.GELU(x[0], x[1]) }, 2 * ulp, 4 * ulp},
	{"GELUGrad", func(s *Set, x [][]float32) { s.GELUGrad(x[0], x[1], x[2]) },
		func(x [][]float32) { ref.GELUGrad(x[0], x[1], x[2]) }, 4 * ulp, 8 * ulp},
}

func TestElementKernelsMatchReference(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, k := range elementKernels {
			for _, n := range lengths {
				a := newArrays(t)
				x := [][]float32{a.normal(n, 3), a.normal(n, 3), a.normal(n, 1)}
				want := clone(x)
				k.run(s, x)
				k.want(want)
				what := fmt.Sprintf("%s of %d elements", k.name, n)
				for i := range x {
					near(t, what, x[i], want[i], k.absolute, k.relative)
				}
				a.checkGuards(what)
			}
		}
	})
}

func TestElementKernelsMatchReferenceAtExtremes(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, k := range elementKernels {
			a := newArrays(t)
			x := [][]float32{a.of(awkward), a.of(awkward), a.normal(len(awkward), 1)}
			want := clone(x)
			k.run(s, x)
			k.want(want)
			near(t, k.name, x[0], want[0], k.absolute, k.relative)
		}
	})
}

func TestElementKernelsWorkInPlace(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, n := range lengths {
			a := newArrays(t)
			x, y := a.normal(n, 3), a.normal(n, 3)
			for _, k := range []struct {
				name string
				run  func(dst []float32)
				from []float32
			}{
				{"Add to a", func(dst []float32) { s.Add(dst, dst, y) }, x},
				{"Add to b", func(dst []float32) { s.Add(dst, x, dst) }, y},
				{"Scale", func(dst []float32) { s.Scale(dst, dst, 3) }, x},
				{"GELU", func(dst []float32) { s.GELU(dst, dst) }, x},
				{"GELUGrad to x", func(dst []float32) { s.GELUGrad(dst, dst, y) }, x},
				{"GELUGrad to dy", func(dst []float32) { s.GELUGrad(dst, x, dst) }, y},
			} {
				want := make([]float32, n)
				switch k.name {
				case "Add to a", "Add to b":
					s.Add(want, x, y)
				case "Scale":
					s.Scale(want, x, 3)
				case "GELU":
					s.GELU(want, x)
				default:
					s.GELUGrad(want, x, y)
				}
				got := a.of(k.from)
				k.run(got)
				near(t, fmt.Sprintf("%s, %d elements, in place", k.name, n), got, want, 0, 0)
			}
			a.checkGuards("in place")
		}
	})
}

func TestDotAndSumSquaresMatchReference(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, n := range append(lengths, 4096, 4097, 50000) {
			a := newArrays(t)
			x, y := a.normal(n, 2), a.normal(n, 2)
			// At most 64 roundings at the size of a partial sum; they add up like a random walk.
			absolute := 8 * ulp * math.Sqrt(ref.SumSquares(x)*ref.SumSquares(y))
			near(t, fmt.Sprintf("Dot of %d", n), []float32{s.Dot(x, y)}, []float32{ref.Dot(x, y)}, absolute, 0)
			near(t, fmt.Sprintf("SumSquares of %d", n), []float32{float32(s.SumSquares(x))}, []float32{float32(ref.SumSquares(x))}, 0, 8*ulp)
		}
	})
}

func TestSumsPassOnNaNAndInfinity(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, n := range lengths[1:] {
			for _, bad := range []float64{math.NaN(), math.Inf(1)} {
				x := make([]float32, n)
				x[n-1] = float32(bad)
				near(t, fmt.Sprintf("SumSquares of %d", n), []float32{float32(s.SumSquares(x))}, []float32{float32(bad)}, 0, 0)
				ones := make([]float32, n)
				for i := range ones {
					ones[i] = 1
				}
				near(t, fmt.Sprintf("Dot of %d", n), []float32{s.Dot(x, ones)}, []float32{float32(bad)}, 0, 0)
			}
		}
	})
}

func TestAdamWMatchesReferenceOverSteps(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, n := range lengths {
			a := newArrays(t)
			p, m, v := a.normal(n, 1), a.normal(n, 0), a.normal(n, 0)
			wantP, wantM, wantV := a.of(p), a.of(m), a.of(v)
			for step := 1; step <= 3; step++ {
				g := a.normal(n, 0.01)
				u := ref.AdamW{
					LearningRate: 0.01, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, GradScale: 0.7,
					Correction1: float32(1 - math.Pow(0.9, float64(step))), Correction2: float32(1 - math.Pow(0.95, float64(step))),
				}
				s.AdamW(&u, p, m, v, g)
				u.Update(wantP, wantM, wantV, g)
			}
			what := fmt.Sprintf("AdamW of %d", n)
			near(t, what+": weights", p, wantP, 4*ulp, 4*ulp)
			// The absolute part is for a mean that nearly cancels.
			near(t, what+": first moments", m, wantM, 0.01*ulp, 8*ulp)
			near(t, what+": second moments", v, wantV, 0, 8*ulp)
			a.checkGuards(what)
		}
	})
}

func TestAdamWPassesOnNaN(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		p, m, v, g := make([]float32, 17), make([]float32, 17), make([]float32, 17), make([]float32, 17)
		g[3], g[16] = float32(math.NaN()), float32(math.NaN())
		u := ref.AdamW{LearningRate: 0.01, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, Correction1: 0.1, Correction2: 0.05, GradScale: 1}
		s.AdamW(&u, p, m, v, g)
		want := make([]float32, 17)
		want[3], want[16] = float32(math.NaN()), float32(math.NaN())
		near(t, "weights", p, want, 0, 0)
	})
}

// CrossEntropyGrad with a gradient of 1 and an lse of 0 is exp itself, but at the target.
func TestExponentialIsWithinOneUlp(t *testing.T) {
	var x []float32
	for v := -110.0; v < 90; v += 1.0 / 512 {
		x = append(x, float32(v))
	}
	eachSet(t, func(t *testing.T, s *Set) {
		got, worst := make([]float32, len(x)), 0.0
		s.CrossEntropyGrad(got, x, []float32{0}, []float32{1}, []int32{0}, len(x))
		for i, g := range got[1:] {
			want := math.Exp(float64(x[i+1]))
			if rounded := float32(want); math.IsInf(float64(rounded), 1) {
				if g != rounded {
					t.Fatalf("exp(%v) is %v, expected %v", x[i+1], g, rounded)
				}
				continue
			}
			// The spacing of float32 at want, which below the normal numbers is that of the subnormal ones.
			_, exponent := math.Frexp(want)
			spacing := math.Ldexp(1, max(exponent-24, -149))
			worst = max(worst, math.Abs(float64(g)-want)/spacing)
		}
		if !(worst <= 1) {
			t.Fatalf("exp is off by %v ulp, expected at most 1", worst)
		}
	})
}

func TestElementwiseKernelsAllocateNothing(t *testing.T) {
	const rows, c = 4, 35
	a := newArrays(t)
	x, y, z, w := a.normal(rows*c, 1), a.normal(rows*c, 1), a.normal(rows*c, 1), a.normal(rows*c, 1)
	gamma, beta, sum := a.normal(c, 1), a.normal(c, 1), a.normal(c, 1)
	ids := []int32{0, 1, -1, 3}
	update := &ref.AdamW{Correction1: 1, Correction2: 1}
	eachSet(t, func(t *testing.T, s *Set) {
		if n := testing.AllocsPerRun(10, func() {
			s.Add(x, y, z)
			s.Scale(x, y, 2)
			s.Dot(x, y)
			s.SumSquares(x)
			s.GELU(x, y)
			s.GELUGrad(x, y, z)
			s.AdamW(update, x, y, z, w)
			s.SGD(x, y, 1)
			s.SumRows(sum, x, rows, c)
			s.LayerNorm(x, y, gamma, beta, rows, c, epsilon)
			s.LayerNormGrad(x, sum, beta, y, gamma, z, rows, c, epsilon)
			s.RMSNorm(x, y, gamma, rows, c, epsilon)
			s.RMSNormGrad(x, sum, y, gamma, z, rows, c, epsilon)
			s.SwiGLU(x[:2*c], y, 2, c)
			s.SwiGLUGrad(x, y, z[:2*c], 2, c)
			s.Gather(x, y, ids, c)
			s.ScatterAdd(x, y, ids, c)
			s.Dropout(x, y, ids[:2], ids, c, 1, 0.1)
			s.Rotary(x, y, gamma, beta, ids[:1], rows*c, 2, 34, true)
			s.CrossEntropy(sum[:rows], sum[4:4+rows], sum[8:8+rows], x, ids, c)
			s.CrossEntropyGrad(x, y, sum[:rows], sum[4:4+rows], ids, c)
		}); n != 0 {
			t.Fatalf("%v allocations, expected none", n)
		}
	})
}

// clone copies the arrays, each on its own.
func clone(x [][]float32) [][]float32 {
	copies := make([][]float32, len(x))
	for i := range x {
		copies[i] = append([]float32(nil), x[i]...)
	}
	return copies
}
