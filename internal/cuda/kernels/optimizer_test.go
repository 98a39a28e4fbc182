package kernels_test

import (
	"encoding/binary"
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// weights are some tensors on the host and the table of their stretches on the device.
type weights struct {
	tensors []tensor
	table   []kernels.Stretch
}

type tensor struct {
	p, m, v, g []float32
	device     kernels.Stretch
}

// newWeights makes tensors of one element, of a whole stretch, with a copy in bfloat16, and of one and a part of another, without.
func newWeights(t testing.TB) weights {
	var w weights
	s := newSource(1)
	for i, n := range []int{1, 4096, 5003} {
		x := tensor{p: s.normals(n), m: s.normals(n), v: s.normals(n), g: s.normals(n)}
		for i := range x.v {
			x.v[i] *= x.v[i]
		}
		x.device = kernels.Stretch{
			Weights: upload(t, x.p), Moment1: upload(t, x.m), Moment2: upload(t, x.v), Gradient: upload(t, x.g), WeightDecay: 0.1 * float32(i),
		}
		if i != 2 {
			x.device.Copy = room(t, n, 2)
		}
		w.tensors = append(w.tensors, x)
		w.table = append(w.table, kernels.Stretches(x.device, n)...)
	}
	return w
}

// checkCopy holds the copy in bfloat16 to the weights, rounded to the nearest.
func (x tensor) checkCopy(t *testing.T, updated []float32) {
	t.Helper()
	if x.device.Copy == 0 {
		return
	}
	half := make([]uint16, len(updated))
	download(t, x.device.Copy, half)
	for i, h := range half {
		if want := bf16(updated[i]); h != want {
			t.Fatalf("the copy of weight %d, %g, has bits %#x, expected %#x", i, updated[i], h, want)
		}
	}
}

func TestAdamWMatchesTheReference(t *testing.T) {
	w := newWeights(t)
	a := ref.AdamW{
		LearningRate: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Correction1: 0.1, Correction2: 0.001, GradScale: 0.5,
	}
	numbers := kernels.Numbers{
		LearningRate: a.LearningRate, Beta1: a.Beta1, Beta2: a.Beta2, Epsilon: a.Epsilon,
		Correction1: a.Correction1, Correction2: a.Correction2,
	}
	outcome := upload(t, kernels.Outcome{GradScale: a.GradScale})
	launch(t, kernels.AdamW(upload(t, w.table), upload(t, numbers), outcome, len(w.table)))
	for _, x := range w.tensors {
		a.WeightDecay = x.device.WeightDecay
		a.Update(x.p, x.m, x.v, x.g)
		updated := downloadFloats(t, x.device.Weights, len(x.p))
		near(t, "weights", updated, x.p, 1e-6, 0.1)
		near(t, "moment 1", downloadFloats(t, x.device.Moment1, len(x.p)), x.m, 3e-7, 1)
		near(t, "moment 2", downloadFloats(t, x.device.Moment2, len(x.p)), x.v, 3e-7, 1)
		x.checkCopy(t, updated)
	}
}

func TestSGDMatchesTheReference(t *testing.T) {
	w := newWeights(t)
	for i := range w.table {
		w.table[i].Moment1, w.table[i].Moment2 = 0, 0
	}
	numbers, outcome := upload(t, kernels.Numbers{LearningRate: 0.5}), upload(t, kernels.Outcome{GradScale: 0.25})
	launch(t, kernels.SGD(upload(t, w.table), numbers, outcome, len(w.table)))
	for _, x := range w.tensors {
		ref.SGD(x.p, x.g, 0.125)
		updated := downloadFloats(t, x.device.Weights, len(x.p))
		near(t, "weights", updated, x.p, 1.2e-7, 1) // a GPU fuses the product and the difference
		x.checkCopy(t, updated)
	}
}

func TestSumSquaresOfEachStretch(t *testing.T) {
	w := newWeights(t)
	dst := roomForFloats(t, len(w.table))
	launch(t, kernels.SumSquares(dst, upload(t, w.table), len(w.table)))
	var want []float32
	for _, x := range w.tensors {
		for start := 0; start < len(x.g); start += 4096 {
			want = append(want, float32(ref.SumSquares(x.g[start:min(start+4096, len(x.g))])))
		}
	}
	near(t, "squares", downloadFloats(t, dst, len(want)), want, 1e-6, 0)
}

// judge runs JudgeStep over some squares with an outcome from before.
func judge(t *testing.T, before kernels.Outcome, squares []float32, loss kernels.Pointer, n kernels.Numbers) (after kernels.Outcome) {
	t.Helper()
	outcome := upload(t, before)
	launch(t, kernels.JudgeStep(outcome, upload(t, squares), loss, upload(t, n), len(squares)))
	download(t, outcome, &after)
	return after
}

func TestJudgeStepClipsTheGradientAsPyTorchDoes(t *testing.T) {
	squares := newSource(1).normals(2500)
	var norm float64
	for i := range squares {
		squares[i] *= squares[i]
		norm += float64(squares[i])
	}
	norm = math.Sqrt(norm)
	for _, clip := range []float32{0, 2, 1e3} {
		got := judge(t, kernels.Outcome{}, squares, upload(t, float32(3)), kernels.Numbers{Clip: clip, Step: 7})
		want := float32(1)
		if clip == 2 {
			want = float32(2 / (norm + 1e-6))
		}
		if math.Abs(got.Norm-norm) > 1e-14*norm || math.Abs(float64(got.GradScale-want)) > 1e-7 || got.Failed != 0 {
			t.Errorf("clipped to %g: outcome %+v, expected norm %.17g, scale %g", clip, got, norm, want)
		}
	}
}

func TestAStepThatIsNotFiniteIsRememberedAndNotTaken(t *testing.T) {
	nan, infinity := float32(math.NaN()), float32(math.Inf(1))
	numbers := kernels.Numbers{LearningRate: 0.1, Beta1: 0.9, Beta2: 0.9, Epsilon: 1e-8, Correction1: 1, Correction2: 1, Clip: 1, Step: 7}
	for _, c := range []struct {
		loss, square float32
		before, want int32
	}{{nan, 1, 0, 7}, {infinity, 1, 0, 7}, {1, nan, 0, 7}, {1, infinity, 0, 7}, {1, 1, 0, 0}, {1, 1, 3, 3}, {nan, nan, 3, 3}} {
		got := judge(t, kernels.Outcome{Failed: c.before}, []float32{1, c.square}, upload(t, c.loss), numbers)
		if got.Failed != c.want {
			t.Errorf("loss %g, square %g, failed before: %d: failed is %d, expected %d", c.loss, c.square, c.before, got.Failed, c.want)
		}
	}
	if got := judge(t, kernels.Outcome{}, []float32{1, 2}, 0, numbers); got.Failed != 0 {
		t.Errorf("without a loss failed is %d, expected 0", got.Failed)
	}

	w := newWeights(t)
	table, n, failed := upload(t, w.table), upload(t, numbers), upload(t, kernels.Outcome{GradScale: 1, Failed: 7})
	launch(t, kernels.AdamW(table, n, failed, len(w.table)), kernels.SGD(table, n, failed, len(w.table)))
	for _, x := range w.tensors {
		near(t, "weights", downloadFloats(t, x.device.Weights, len(x.p)), x.p, 0, 0)
		near(t, "moment 1", downloadFloats(t, x.device.Moment1, len(x.p)), x.m, 0, 0)
		near(t, "moment 2", downloadFloats(t, x.device.Moment2, len(x.p)), x.v, 0, 0)
	}
}

func TestStructuresHaveTheLayoutOfTheKernels(t *testing.T) {
	sizes := [3]int{binary.Size(kernels.Stretch{}), binary.Size(kernels.Numbers{}), binary.Size(kernels.Outcome{})}
	if want := [3]int{48, 32, 16}; sizes != want {
		t.Errorf("Stretch, Numbers and Outcome have %d bytes, the kernels read %d", sizes, want)
	}
}
