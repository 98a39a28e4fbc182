package kernels_test

import (
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// losses are what a kernel of cross-entropy gives for each row, and what it should give.
type losses struct {
	nll, lse, hit             kernels.Pointer
	wantNLL, wantLSE, wantHit []float32
}

func newLosses(t testing.TB, logits []float32, targets []int32, vocab int) losses {
	rows := len(targets)
	l := losses{
		nll: roomForFloats(t, rows), lse: roomForFloats(t, rows), hit: roomForFloats(t, rows),
		wantNLL: make([]float32, rows), wantLSE: make([]float32, rows), wantHit: make([]float32, rows),
	}
	ref.CrossEntropy(l.wantNLL, l.wantLSE, l.wantHit, logits, targets, vocab)
	return l
}

func (l losses) check(t *testing.T) {
	t.Helper()
	rows := len(l.wantNLL)
	near(t, "nll", downloadFloats(t, l.nll, rows), l.wantNLL, 1e-6, 30) // a difference of numbers near 30
	near(t, "lse", downloadFloats(t, l.lse, rows), l.wantLSE, 1e-6, 1)
	near(t, "hit", downloadFloats(t, l.hit, rows), l.wantHit, 0, 0)
}

// The largest vocabularies do not fit shared memory, the one before the last just does.
func TestCrossEntropyAndItsGradientMatchTheReference(t *testing.T) {
	shapes := []struct{ rows, vocab int }{
		{1, 1}, {9, 2}, {20, 28}, {4, 257}, {3, 5004}, {3, 5003}, {2, 25136}, {2, 25241}, {2, 50257}, {2, 50511},
	}
	for _, c := range shapes {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				s := newSource(c.vocab)
				logits, targets, dnll := s.normals(c.rows*c.vocab), s.ids(c.rows, c.vocab), s.normals(c.rows)
				for i := range logits {
					logits[i] = float32(math.Round(float64(8 * logits[i]))) // equal logits, so that the first of them must be found
				}
				targets[0] = int32(c.vocab - 1)
				device, together := uploadFloats(t, logits, c.vocab, inBF16), uploadFloats(t, logits, c.vocab, inBF16)
				apart, once := newLosses(t, logits, targets, c.vocab), newLosses(t, logits, targets, c.vocab)
				ptargets, pdnll := upload(t, targets), upload(t, dnll)
				launch(t, kernels.CrossEntropy(apart.nll, apart.lse, apart.hit, device, ptargets, c.rows, c.vocab),
					kernels.CrossEntropyGrad(device, device, apart.lse, pdnll, ptargets, c.rows, c.vocab),
					kernels.CrossEntropyWithGrad(once.nll, once.lse, once.hit, together, together, pdnll, ptargets, c.rows, c.vocab))
				apart.check(t)
				once.check(t)
				want := make([]float32, len(logits))
				ref.CrossEntropyGrad(want, logits, apart.wantLSE, dnll, targets, c.vocab)
				// The exponent's argument, near 30, is rounded to 2e-6.
				nearRows(t, "dlogits in place", device, want, c.vocab, 5e-6, 1)
				near(t, "dlogits with the loss", downloadRows(t, together, c.rows, c.vocab), downloadRows(t, device, c.rows, c.vocab), 0, 0)
			}, c, inBF16)
		}
	}
}

func TestCrossEntropyKeepsWhatIsNoNumber(t *testing.T) {
	nan, infinity := float32(math.NaN()), float32(math.Inf(1))
	logits := kernels.Floats{At: upload(t, []float32{1, nan, 2, -infinity, 3, -infinity})}
	nll, lse, hit := roomForFloats(t, 2), roomForFloats(t, 2), roomForFloats(t, 2)
	launch(t, kernels.CrossEntropy(nll, lse, hit, logits, upload(t, []int32{0, 1}), 2, 3))
	losses, logSums := downloadFloats(t, nll, 2), downloadFloats(t, lse, 2)
	if losses[0] == losses[0] || logSums[0] == logSums[0] {
		t.Errorf("a row with NaN has nll %g and lse %g, expected NaN", losses[0], logSums[0])
	}
	near(t, "of a row with logits of -infinity", []float32{losses[1], logSums[1]}, []float32{0, 3}, 0, 0)
}

func TestKernelsThatDoNotConvertRefuseTo(t *testing.T) {
	defer func() {
		const want = "kernels.CrossEntropyGrad: from bf16 to f32: both must be of one type"
		if got := recover(); got != want {
			t.Errorf("the panic says %v, expected %s", got, want)
		}
	}()
	kernels.CrossEntropyGrad(kernels.Floats{}, kernels.Floats{BF16: true}, 0, 0, 0, 1, 1)
}
