package kernels_test

import (
	"math"
	"slices"
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

// Of the largest vocabularies not all fits shared memory, in float32 from 25249 on, in bfloat16 from 50497 on.
func TestCrossEntropyAndItsGradientMatchTheReference(t *testing.T) {
	shapes := []struct{ rows, vocab int }{
		{1, 1}, {9, 2}, {20, 28}, {4, 257}, {3, 5004}, {3, 5003}, {2, 25344}, {2, 25241}, {2, 50257}, {2, 50511},
	}
	for _, c := range shapes {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				s := newSource(c.vocab)
				logits, targets, dnll := s.normals(c.rows*c.vocab), s.ids(c.rows, c.vocab), s.normals(c.rows)
				for i := range logits {
					logits[i] = float32(math.Round(float64(8 * logits[i]))) // equal logits, so that the first of them must be found
				}
				for row := range targets {
					of := logits[row*c.vocab:][:c.vocab]
					best := slices.Index(of, slices.Max(of))
					if row%4 == 2 {
						targets[row] = int32(best)
					} else if row%4 == 3 { // the last of equal ones: no hit, unless it is the only one
						equal := slices.Clone(of)
						slices.Reverse(equal)
						targets[row] = int32(c.vocab - 1 - slices.Index(equal, of[best]))
					}
				}
				targets[0] = int32(c.vocab - 1)
				if c.rows > 1 {
					targets[1] = -1
				}
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

// The largest logits lie in different pieces, lanes and warps: the first of two is the hit, whichever comes first to be compared.
func TestTheFirstOfEqualLogitsIsTheHit(t *testing.T) {
	const rows = 96
	for _, vocab := range []int{1100, 1101} {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				logits, targets := make([]float32, rows*vocab), make([]int32, rows)
				for row := range targets {
					first := 7 * row
					second := first + []int{1, 4, 8, 16, 32, 64, 128, 256, 300}[row%9]
					logits[row*vocab+first], logits[row*vocab+second] = 1, 1
					targets[row] = int32([]int{first, second}[row/9%2])
				}
				device := uploadFloats(t, logits, vocab, inBF16)
				apart, once := newLosses(t, logits, targets, vocab), newLosses(t, logits, targets, vocab)
				ptargets, ones := upload(t, targets), upload(t, slices.Repeat([]float32{1}, rows))
				launch(t, kernels.CrossEntropy(apart.nll, apart.lse, apart.hit, device, ptargets, rows, vocab),
					kernels.CrossEntropyWithGrad(once.nll, once.lse, once.hit, device, device, ones, ptargets, rows, vocab))
				apart.check(t)
				once.check(t)
			}, vocab, inBF16)
		}
	}
}

// Rows of 3 and of 4 logits take different kernels.
func TestCrossEntropyKeepsWhatIsNoNumber(t *testing.T) {
	nan, infinity := float32(math.NaN()), float32(math.Inf(1))
	for _, vocab := range []int{3, 4} {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				rows := append([]float32{1, nan, 2, 0}[:vocab:vocab], []float32{-infinity, 3, -infinity, -infinity}[:vocab]...)
				logits := uploadFloats(t, rows, vocab, inBF16)
				nll, lse, hit := roomForFloats(t, 2), roomForFloats(t, 2), roomForFloats(t, 2)
				targets := upload(t, []int32{0, 1})
				for _, l := range []kernels.Launch{
					kernels.CrossEntropy(nll, lse, hit, logits, targets, 2, vocab),
					kernels.CrossEntropyWithGrad(nll, lse, hit, logits, logits, upload(t, []float32{1, 1}), targets, 2, vocab),
				} {
					launch(t, l)
					losses, logSums := downloadFloats(t, nll, 2), downloadFloats(t, lse, 2)
					if losses[0] == losses[0] || logSums[0] == logSums[0] {
						t.Errorf("%s: a row with NaN has nll %g and lse %g, expected NaN", l.Kernel, losses[0], logSums[0])
					}
					near(t, "of a row with logits of -infinity", []float32{losses[1], logSums[1]}, []float32{0, 3}, 0, 0)
				}
				gradient := downloadRows(t, logits, 2, vocab)
				if gradient[0] == gradient[0] {
					t.Errorf("a row with NaN has the gradient %g, expected NaN", gradient[0])
				}
				near(t, "gradient of a row with logits of -infinity", gradient[vocab:], make([]float32, vocab), 0, 0)
			}, vocab, inBF16)
		}
	}
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
