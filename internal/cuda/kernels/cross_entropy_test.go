package kernels_test

import (
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

func TestCrossEntropyAndItsGradientMatchTheReference(t *testing.T) {
	for _, c := range []struct{ rows, vocab int }{{1, 1}, {9, 2}, {20, 28}, {4, 257}, {3, 5003}} {
		subtest(t, func(t *testing.T) {
			s := newSource(c.vocab)
			logits, targets, dnll := s.normals(c.rows*c.vocab), s.ids(c.rows, c.vocab), s.normals(c.rows)
			for i := range logits {
				logits[i] = float32(math.Round(float64(8 * logits[i]))) // equal logits, so that the first of them must be found
			}
			nll, lse, hit := roomForFloats(t, c.rows), roomForFloats(t, c.rows), roomForFloats(t, c.rows)
			dlogits, ptargets := upload(t, logits), upload(t, targets)
			launch(t, kernels.CrossEntropy(nll, lse, hit, dlogits, ptargets, c.rows, c.vocab),
				kernels.CrossEntropyGrad(dlogits, dlogits, lse, upload(t, dnll), ptargets, c.rows, c.vocab))

			wantNLL, wantLSE, wantHit := make([]float32, c.rows), make([]float32, c.rows), make([]float32, c.rows)
			ref.CrossEntropy(wantNLL, wantLSE, wantHit, logits, targets, c.vocab)
			near(t, "nll", downloadFloats(t, nll, c.rows), wantNLL, 1e-6, 30) // a difference of numbers near 30
			near(t, "lse", downloadFloats(t, lse, c.rows), wantLSE, 1e-6, 1)
			near(t, "hit", downloadFloats(t, hit, c.rows), wantHit, 0, 0)
			want := make([]float32, len(logits))
			ref.CrossEntropyGrad(want, logits, wantLSE, dnll, targets, c.vocab)
			// The exponent's argument, near 30, is rounded to 2e-6.
			near(t, "dlogits in place", downloadFloats(t, dlogits, len(want)), want, 5e-6, 1)
		}, c)
	}
}

func TestCrossEntropyKeepsWhatIsNoNumber(t *testing.T) {
	nan, infinity := float32(math.NaN()), float32(math.Inf(1))
	logits := []float32{1, nan, 2, -infinity, 3, -infinity}
	nll, lse, hit := roomForFloats(t, 2), roomForFloats(t, 2), roomForFloats(t, 2)
	launch(t, kernels.CrossEntropy(nll, lse, hit, upload(t, logits), upload(t, []int32{0, 1}), 2, 3))
	losses, logSums := downloadFloats(t, nll, 2), downloadFloats(t, lse, 2)
	if losses[0] == losses[0] || logSums[0] == logSums[0] {
		t.Errorf("a row with NaN has nll %g and lse %g, expected NaN", losses[0], logSums[0])
	}
	near(t, "of a row with logits of -infinity", []float32{losses[1], logSums[1]}, []float32{0, 3}, 0, 0)
}
