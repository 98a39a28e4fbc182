package kernel

import (
	"fmt"
	"math"
	"testing"

	"trainer/internal/ref"
)

// The widths of rows, and their numbers: incomplete groups of four as well as whole ones.
var (
	widths    = []int{1, 3, 16, 35, 64, 65, 100}
	rowCounts = []int{0, 1, 2, 3, 4, 7, 33}
)

// eachMatrix runs f for every table and shape.
func eachMatrix(t *testing.T, f func(a *arrays, s *Set, rows, c int, shape string)) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, c := range widths {
			for _, rows := range rowCounts {
				a := newArrays(t)
				shape := fmt.Sprintf("%d rows of %d", rows, c)
				f(a, s, rows, c, shape)
				a.checkGuards(shape)
			}
		}
	})
}

const epsilon = 1e-5

func TestLayerNormMatchesReference(t *testing.T) {
	eachMatrix(t, func(a *arrays, s *Set, rows, c int, shape string) {
		x, gamma, beta, dst := a.normal(rows*c, 2), a.normal(c, 1), a.normal(c, 1), a.normal(rows*c, 1)
		want := make([]float32, rows*c)
		s.LayerNorm(dst, x, gamma, beta, rows, c, epsilon)
		ref.LayerNorm(want, x, gamma, beta, rows, c, epsilon)
		// The normalised value is within a few ulp of the largest of its row; gamma and beta pass that on.
		near(a.t, shape, dst, want, 16*ulp, 8*ulp)
	})
}

func TestLayerNormKeepsItsPrecisionFarFromZero(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		const c = 100
		a := newArrays(t)
		x, gamma, beta := a.normal(c, 1), a.normal(c, 1), a.normal(c, 0)
		for i := range x {
			x[i] += 1000
		}
		got, want := make([]float32, c), make([]float32, c)
		s.LayerNorm(got, x, gamma, beta, 1, c, epsilon)
		ref.LayerNorm(want, x, gamma, beta, 1, c, epsilon)
		// The mean is rounded to an ulp of 1000; from E[x²] - E[x]² the variance would be off by 0.1.
		near(t, "mean 1000, variance 1", got, want, 4*1000*ulp, 1e-3)
	})
}

func TestLayerNormGradMatchesReferenceAndAddsToParameters(t *testing.T) {
	eachMatrix(t, func(a *arrays, s *Set, rows, c int, shape string) {
		x, gamma, dy, dx := a.normal(rows*c, 2), a.normal(c, 1), a.normal(rows*c, 1), a.normal(rows*c, 1)
		dgamma, dbeta := a.normal(c, 1), a.normal(c, 1)
		wantX, wantGamma, wantBeta := make([]float32, rows*c), make([]float32, c), make([]float32, c)
		ref.LayerNormGrad(wantX, wantGamma, wantBeta, x, gamma, dy, rows, c, epsilon)
		ref.Add(wantGamma, wantGamma, dgamma)
		ref.Add(wantBeta, wantBeta, dbeta)
		s.LayerNormGrad(dx, dgamma, dbeta, x, gamma, dy, rows, c, epsilon)
		// In a row of one or three elements that happen to lie close together rstd enlarges what rounding leaves of g - mean(g).
		near(a.t, shape+": dx", dx, wantX, 64*ulp, 32*ulp)
		// A sum over 33 rows of terms of size 1.
		near(a.t, shape+": dgamma", dgamma, wantGamma, 64*ulp, 16*ulp)
		near(a.t, shape+": dbeta", dbeta, wantBeta, 64*ulp, 16*ulp)
	})
}

func TestLayerNormSpoilsOnlyTheRowsWithNaN(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, c := range widths {
			for _, bad := range []float64{math.NaN(), math.Inf(1)} {
				const rows = 3
				a := newArrays(t)
				x, gamma, dy := a.normal(rows*c, 1), a.normal(c, 1), a.normal(rows*c, 1)
				x[c+c-1] = float32(bad)
				dst, dgamma, dbeta := a.normal(rows*c, 1), a.normal(c, 0), a.normal(c, 0)
				for _, k := range []struct {
					name string
					run  func()
				}{
					{"LayerNorm", func() { s.LayerNorm(dst, x, gamma, dgamma, rows, c, epsilon) }},
					{"LayerNormGrad", func() { s.LayerNormGrad(dst, dgamma, dbeta, x, gamma, dy, rows, c, epsilon) }},
				} {
					k.run()
					for i, v := range dst {
						if spoilt := v != v; spoilt != (i/c == 1) {
							t.Fatalf("%s, %v in row 1 of %d columns: element %d of row %d is %v", k.name, bad, c, i%c, i/c, v)
						}
					}
				}
			}
		}
	})
}

func TestRMSNormAndItsGradientMatchTheReference(t *testing.T) {
	eachMatrix(t, func(a *arrays, s *Set, rows, c int, shape string) {
		x, gamma, dy, dst := a.normal(rows*c, 2), a.normal(c, 1), a.normal(rows*c, 1), a.normal(rows*c, 1)
		want, wantGamma := make([]float32, rows*c), make([]float32, c)
		s.RMSNorm(dst, x, gamma, rows, c, epsilon)
		ref.RMSNorm(want, x, gamma, rows, c, epsilon)
		near(a.t, shape, dst, want, 0, 8*ulp) // a product of three numbers, each within some ulp

		dgamma := a.normal(c, 1)
		ref.RMSNormGrad(want, wantGamma, x, gamma, dy, rows, c, epsilon)
		ref.Add(wantGamma, wantGamma, dgamma)
		s.RMSNormGrad(dst, dgamma, x, gamma, dy, rows, c, epsilon)
		// In a row of one or three elements that happen to be small, 1/√(mean square) enlarges what rounding leaves of a difference.
		near(a.t, shape+": dx", dst, want, 64*ulp, 32*ulp)
		near(a.t, shape+": dgamma", dgamma, wantGamma, 64*ulp, 16*ulp)
	})
}

func TestRMSNormSpoilsOnlyTheRowsWithNaN(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, c := range widths {
			const rows = 3
			a := newArrays(t)
			x, gamma, dy, dgamma := a.normal(rows*c, 1), a.normal(c, 1), a.normal(rows*c, 1), a.normal(c, 0)
			x[c+c-1] = float32(math.NaN())
			dst, dx := a.normal(rows*c, 1), a.normal(rows*c, 1)
			s.RMSNorm(dst, x, gamma, rows, c, epsilon)
			s.RMSNormGrad(dx, dgamma, x, gamma, dy, rows, c, epsilon)
			for i := range dst {
				if row := i / c; (dst[i] != dst[i]) != (row == 1) || (dx[i] != dx[i]) != (row == 1) {
					t.Fatalf("NaN in row 1 of %d columns: element %d of row %d is %v, its gradient %v", c, i%c, row, dst[i], dx[i])
				}
			}
		}
	})
}

func TestSwiGLUAndItsGradientMatchTheReference(t *testing.T) {
	check := func(t *testing.T, s *Set, a *arrays, x, dy []float32, rows, hidden int, shape string) {
		t.Helper()
		dst, want := a.normal(rows*hidden, 1), make([]float32, rows*hidden)
		s.SwiGLU(dst, x, rows, hidden)
		ref.SwiGLU(want, x, rows, hidden)
		// exp(-gate) inherits |gate| half ulp from its argument.
		near(t, shape, dst, want, 2*ulp, 8*ulp)

		dx, wantX := a.normal(2*rows*hidden, 1), make([]float32, 2*rows*hidden)
		s.SwiGLUGrad(dx, x, dy, rows, hidden)
		ref.SwiGLUGrad(wantX, x, dy, rows, hidden)
		near(t, shape+": dx", dx, wantX, 8*ulp, 16*ulp)
		s.SwiGLUGrad(x, x, dy, rows, hidden)
		near(t, shape+": dx in place", x, dx, 0, 0)
		a.checkGuards(shape)
	}
	eachMatrix(t, func(a *arrays, s *Set, rows, c int, shape string) {
		check(a.t, s, a, a.normal(2*rows*c, 3), a.normal(rows*c, 1), rows, c, shape)
	})
	eachSet(t, func(t *testing.T, s *Set) {
		a := newArrays(t)
		n := len(awkward)
		x := a.normal(2*n, 1)
		copy(x, awkward)
		check(t, s, a, x, a.normal(n, 1), 1, n, "awkward gates")
	})
}

func TestSumRowsAddsTheRowsToDestination(t *testing.T) {
	eachMatrix(t, func(a *arrays, s *Set, rows, c int, shape string) {
		x, dst := a.normal(rows*c, 1), a.normal(c, 1)
		want := make([]float32, c)
		ref.SumRows(want, x, rows, c)
		ref.Add(want, want, dst)
		s.SumRows(dst, x, rows, c)
		near(a.t, shape, dst, want, 16*ulp, 16*ulp)
	})
}

func TestGatherMatchesReference(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		ids := []int32{3, -1, 0, 3, 4}
		for _, c := range widths {
			a := newArrays(t)
			table, dst, want := a.normal(5*c, 1), a.normal(len(ids)*c, 1), make([]float32, len(ids)*c)
			s.Gather(dst, table, ids, c)
			ref.Gather(want, table, ids, c)
			what := fmt.Sprintf("rows of %d", c)
			near(t, what, dst, want, 0, 0)
			a.checkGuards(what)
		}
	})
}

// The row behind the last one is empty, not an error, to a slice: nothing would be copied and what was in dst would stay.
func TestGatherPanicsBehindTheLastRow(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		defer func() {
			if recover() == nil {
				t.Error("an id that is the number of rows is taken")
			}
		}()
		s.Gather(make([]float32, 8), make([]float32, 3*8), []int32{3}, 8)
	})
}

func TestScatterAddAddsInTheOrderOfIDs(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		ids := []int32{3, -1, 0, 3, 4, 3, -7, 0}
		for _, c := range widths {
			a := newArrays(t)
			dst, dy := a.normal(5*c, 1), a.normal(len(ids)*c, 1)
			want := append([]float32(nil), dst...)
			for i, id := range ids {
				if id >= 0 {
					row := want[int(id)*c:][:c]
					ref.Add(row, row, dy[i*c:])
				}
			}
			s.ScatterAdd(dst, dy, ids, c)
			what := fmt.Sprintf("rows of %d", c)
			near(t, what, dst, want, 0, 0) // the same additions in the same order give the same bits
			a.checkGuards(what)
		}
	})
}

func TestDropoutHasTheBitsOfTheReference(t *testing.T) {
	key, numbers := []int32{9, -3}, []int32{0, 1, -1, math.MaxInt32, 7, math.MinInt32}
	eachSet(t, func(t *testing.T, s *Set) {
		for _, c := range lengths {
			for _, rate := range []float64{0, 0.1, 0.5, 0.99} {
				a := newArrays(t)
				x, dst := a.normal(len(numbers)*c, 1), a.normal(len(numbers)*c, 1)
				if c > 0 {
					x[0], x[c] = float32(math.Inf(1)), float32(math.NaN())
				}
				want := make([]float32, len(x))
				ref.Dropout(want, x, key, numbers, c, 5, rate)
				s.Dropout(dst, x, key, numbers, c, 5, rate)
				what := fmt.Sprintf("rows of %d at rate %g", c, rate)
				sameBits(t, what, dst, want)
				s.Dropout(x, x, key, numbers, c, 5, rate)
				sameBits(t, what+" in place", x, want)
				a.checkGuards(what)
			}
		}
	})
}

// sameBits fails the test at the first element that differs in any bit.
func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d is %v, expected %v, bit for bit", what, i, got[i], want[i])
		}
	}
}

func TestRotaryMatchesReferenceAndTurnsBack(t *testing.T) {
	const base, context = 10000, 50
	positions := []int32{0, 1, 2, 49, 7}
	eachSet(t, func(t *testing.T, s *Set) {
		for _, headDim := range []int{2, 6, 16, 32, 34, 64, 70} {
			for _, heads := range []int{0, 1, 3} {
				half, width := headDim/2, heads*headDim+5
				cos, sin := make([]float32, context*half), make([]float32, context*half)
				for p := range context {
					for i := range half {
						sine, cosine := math.Sincos(float64(p) * math.Pow(base, -2*float64(i)/float64(headDim)))
						cos[p*half+i], sin[p*half+i] = float32(cosine), float32(sine)
					}
				}
				a := newArrays(t)
				cos, sin = a.of(cos), a.of(sin)
				x, dst := a.normal(len(positions)*width, 1), a.normal(len(positions)*width, 1)
				want := make([]float32, len(x))
				what := fmt.Sprintf("%d heads of %d", heads, headDim)

				s.Rotary(dst, x, cos, sin, positions, width, heads, headDim, false)
				ref.Rotary(want, x, positions, width, heads, headDim, base, false)
				near(t, what, dst, want, 4*ulp, 2*ulp)

				s.Rotary(dst, dst, cos, sin, positions, width, heads, headDim, true)
				near(t, what+", there and back in place", dst, x, 8*ulp, 4*ulp)
				a.checkGuards(what)
			}
		}
	})
}

func TestCrossEntropyMatchesReference(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, vocab := range append(widths, lengths[1:]...) {
			for _, scale := range []float64{1, 30} {
				const rows = 6
				a := newArrays(t)
				logits := a.normal(rows*vocab, scale)
				targets := make([]int32, rows)
				for i := range targets {
					targets[i] = int32(i * 5 % vocab)
				}
				targets[2] = -1
				nll, lse, hit := a.normal(rows, 1), a.normal(rows, 1), a.normal(rows, 1)
				wantNLL, wantLSE, wantHit := make([]float32, rows), make([]float32, rows), make([]float32, rows)
				s.CrossEntropy(nll, lse, hit, logits, targets, vocab)
				ref.CrossEntropy(wantNLL, wantLSE, wantHit, logits, targets, vocab)
				what := fmt.Sprintf("vocabulary of %d, logits of size %v", vocab, scale)
				// The sum of exp is within some ulp; its log passes that on as an absolute error.
				near(t, what+": nll", nll, wantNLL, 16*ulp, ulp)
				near(t, what+": lse", lse, wantLSE, 16*ulp, ulp)
				near(t, what+": hit", hit, wantHit, 0, 0)

				dnll, dlogits := a.normal(rows, 1), a.normal(rows*vocab, 1)
				want := make([]float32, rows*vocab)
				s.CrossEntropyGrad(dlogits, logits, lse, dnll, targets, vocab)
				ref.CrossEntropyGrad(want, logits, lse, dnll, targets, vocab)
				// exp(x - lse) inherits |x - lse| half ulp from its argument; p - 1 has an absolute error of an ulp.
				near(t, what+": dlogits", dlogits, want, 4*ulp, 64*ulp)
				s.CrossEntropyGrad(logits, logits, lse, dnll, targets, vocab)
				near(t, what+": dlogits in place", logits, dlogits, 0, 0)
				a.checkGuards(what)
			}
		}
	})
}

func TestCrossEntropyOfALargeVocabularyKeepsItsPrecision(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		const vocab = 50257
		logits := make([]float32, vocab) // equal logits: lse = log(vocab), and every sum is rounded the same way
		got, want := make([]float32, 1), []float32{float32(math.Log(vocab))}
		s.CrossEntropy(make([]float32, 1), got, make([]float32, 1), logits, []int32{0}, vocab)
		near(t, "lse", got, want, 0, 2*ulp)
	})
}

func TestCrossEntropyHitsTheFirstOfEqualLogits(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, vocab := range []int{3, 35, 100, 1000} {
			for _, first := range []int{0, 1, vocab / 2, vocab - 2} {
				logits := make([]float32, 3*vocab)
				for row := range 3 {
					logits[row*vocab+first], logits[row*vocab+first+1] = 2, 2
				}
				targets := []int32{int32(first), int32(first + 1), int32((first + 2) % vocab)}
				hit := make([]float32, 3)
				s.CrossEntropy(make([]float32, 3), make([]float32, 3), hit, logits, targets, vocab)
				want := []float32{1, 0, 0}
				if targets[2] == targets[0] {
					want[2] = 1
				}
				near(t, fmt.Sprintf("largest at %d of %d", first, vocab), hit, want, 0, 0)
			}
		}
	})
}

func TestCrossEntropyMatchesReferenceAtExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	rows := map[string][]float32{
		"far apart":               {1e4, -1e4, 0},
		"far below zero":          {-1e4, -1e4, -1e4},
		"subnormal":               {1e-40, -1e-40, 0},
		"impossible tokens":       {0, -inf, 1},
		"infinite":                {0, inf, 1},
		"impossible tokens alone": {-inf, -inf, -inf},
		"NaN first":               {nan, 0, 1},
		"NaN last":                {0, 1, nan},
	}
	eachSet(t, func(t *testing.T, s *Set) {
		for what, logits := range rows {
			got, want := make([]float32, 3), make([]float32, 3) // nll, lse and a hit, which means nothing beside NaN
			targets := []int32{0}
			s.CrossEntropy(got[:1], got[1:2], got[2:], logits, targets, 3)
			ref.CrossEntropy(want[:1], want[1:2], want[2:], logits, targets, 3)
			near(t, what, got[:2], want[:2], 4*ulp, ulp)

			dlogits, wantGrad := make([]float32, 3), make([]float32, 3)
			s.CrossEntropyGrad(dlogits, logits, want[1:2], []float32{0.5}, targets, 3)
			ref.CrossEntropyGrad(wantGrad, logits, want[1:2], []float32{0.5}, targets, 3)
			near(t, what+": dlogits", dlogits, wantGrad, 2*ulp, 4*ulp)
		}
	})
}
