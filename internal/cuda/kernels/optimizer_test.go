package kernels_test

import (
	"encoding/binary"
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
		Correction1: a.Correction1, Correction2: a.Correction2, GradScale: a.GradScale,
	}
	launch(t, kernels.AdamW(upload(t, w.table), upload(t, numbers), len(w.table)))
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
	launch(t, kernels.SGD(upload(t, w.table), upload(t, kernels.Numbers{LearningRate: 0.5, GradScale: 0.25}), len(w.table)))
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

func TestStructuresHaveTheLayoutOfTheKernels(t *testing.T) {
	if s, n := binary.Size(kernels.Stretch{}), binary.Size(kernels.Numbers{}); s != 48 || n != 28 {
		t.Errorf("Stretch has %d bytes and Numbers %d, the kernels read 48 and 28", s, n)
	}
}
