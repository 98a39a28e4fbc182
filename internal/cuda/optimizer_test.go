package cuda_test

import (
	"math"
	"slices"
	"testing"

	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/internal/ref"
	"trainer/internal/vm"
)

// tensors are parameters of a vector of weights with gaps: matrices that AdamW's stretches divide unevenly, and vectors.
var tensors = []cuda.Parameter{{Begin: 0, Size: 4096 + 500, Matrix: true}, {Begin: 4608, Size: 7}, {Begin: 4624, Size: 96, Matrix: true}}

const vector = 4720 // elements of the vector

// numbers returns n numbers of both signs and several sizes.
func numbers(n, seed int) []float32 {
	x := vm.AlignedFloat32s(n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i*(seed+2)+seed))) / float32(1+i%7)
	}
	return x
}

// memoryOf puts numbers on the device.
func memoryOf(t *testing.T, b *cuda.Backend, x []float32) vm.Memory {
	t.Helper()
	m, err := b.Allocate(4 * len(x))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write(vm.Bytes(x)); err != nil {
		t.Fatal(err)
	}
	return m
}

// reports fetches what came of the latest step.
func reports(t *testing.T, b *cuda.Backend, o *cuda.Optimizer) cuda.Report {
	t.Helper()
	f, err := b.NewFetch()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(o.Outcome()); err != nil {
		t.Fatal(err)
	}
	parts, err := f.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return o.Report(parts[0])
}

func TestTheOptimizerTakesTheStepsOfTheReference(t *testing.T) {
	const rate, clip = 1e-2, 0.5
	for _, sgd := range []bool{false, true} {
		b := open(t, emulated.Options{}, cuda.Options{})
		defer b.Close()
		weights := numbers(vector, 1)
		want := slices.Clone(weights)
		first, second := make([]float32, vector), make([]float32, vector) // of the reference
		var moments [][]float32
		if !sgd {
			moments = [][]float32{vm.AlignedFloat32s(vector), vm.AlignedFloat32s(vector)}
		}
		o, err := b.NewOptimizer(weights, moments, tensors,
			cuda.Rule{SGD: sgd, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, Clip: clip})
		if err != nil {
			t.Fatal(err)
		}
		loss := memoryOf(t, b, []float32{2.5})
		for step := 1; step <= 3; step++ {
			micro := step // micro-batches
			gradient := make([]float32, vector)
			for i := range micro {
				part := numbers(vector, 3*step+i)
				ref.Add(gradient, gradient, part)
				if err := o.Add(memoryOf(t, b, part), loss, i == 0, micro == 1); err != nil {
					t.Fatal(err)
				}
			}
			if err := o.Step(rate, true); err != nil {
				t.Fatal(err)
			}
			r, norm := reports(t, b, o), 0.0
			for i, p := range tensors {
				square := ref.SumSquares(gradient[p.Begin : p.Begin+p.Size])
				norm += square
				if math.Abs(r.Squares[i]-square) > 1e-5*square {
					t.Errorf("step %d: the gradient of tensor %d has the square %v, expected %v", step, i, r.Squares[i], square)
				}
			}
			norm = math.Sqrt(norm)
			if math.Abs(r.Norm-norm) > 1e-5*norm || r.Failed != 0 {
				t.Errorf("step %d: norm %v, failed %d, expected %v and none", step, r.Norm, r.Failed, norm)
			}
			scale := float32(min(1, clip/(norm+1e-6)))
			for _, p := range tensors {
				at := func(x []float32) []float32 { return x[p.Begin : p.Begin+p.Size] }
				if sgd {
					ref.SGD(at(want), at(gradient), rate*scale)
					continue
				}
				a := ref.AdamW{LearningRate: rate, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, GradScale: scale,
					Correction1: float32(1 - math.Pow(0.9, float64(step))), Correction2: float32(1 - math.Pow(0.95, float64(step)))}
				if p.Matrix {
					a.WeightDecay = 0.1
				}
				a.Update(at(want), at(first), at(second), at(gradient))
			}
		}
		if err := b.Fetch(vm.Bytes(weights)); err != nil {
			t.Fatal(err)
		}
		if d := distance(weights, want); d > 1e-6 {
			t.Errorf("sgd %v: the weights are off by %.2g of their size", sgd, d)
		}
		for i, m := range moments {
			if err := b.Fetch(vm.Bytes(m)); err != nil {
				t.Fatal(err)
			}
			if d := distance(m, [][]float32{first, second}[i]); d > 1e-6 {
				t.Errorf("moment %d is off by %.2g of its size", i, d)
			}
		}
	}
}

// A step whose loss is not finite, and those behind it, leave everything as it was until the host says to go on.
func TestAFailedStepMovesNothing(t *testing.T) {
	b := open(t, emulated.Options{}, cuda.Options{})
	defer b.Close()
	weights := numbers(vector, 1)
	before := slices.Clone(weights)
	o, err := b.NewOptimizer(weights, nil, tensors, cuda.Rule{SGD: true})
	if err != nil {
		t.Fatal(err)
	}
	gradient := memoryOf(t, b, numbers(vector, 2))
	step := func(loss float64, failed int, moved bool) {
		t.Helper()
		if err := o.Add(gradient, memoryOf(t, b, []float32{float32(loss)}), true, true); err != nil {
			t.Fatal(err)
		}
		if err := o.Step(0.1, true); err != nil {
			t.Fatal(err)
		}
		if r := reports(t, b, o); r.Failed != failed {
			t.Errorf("with the loss %v, step %d failed, expected %d", loss, r.Failed, failed)
		}
		if err := b.Fetch(vm.Bytes(weights)); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(weights, before) == moved {
			t.Errorf("with the loss %v the weights moved: %v, expected %v", loss, !moved, moved)
		}
	}
	if err := o.SetSteps(10); err != nil {
		t.Fatal(err)
	}
	step(math.NaN(), 11, false)
	step(1, 11, false)
	if err := o.SetSteps(0); err != nil {
		t.Fatal(err)
	}
	step(1, 0, true)
}

// Not even a gradient that is not finite keeps later steps from moving the weights.
func TestMeasuringAGradientLeavesNothingBehind(t *testing.T) {
	b := open(t, emulated.Options{}, cuda.Options{})
	defer b.Close()
	weights := numbers(vector, 1)
	before := slices.Clone(weights)
	o, err := b.NewOptimizer(weights, nil, tensors, cuda.Rule{SGD: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.SetSteps(5); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		loss float64
		move bool
	}{{1, false}, {math.NaN(), false}, {1, true}} {
		if err := o.Add(memoryOf(t, b, numbers(vector, 2)), memoryOf(t, b, []float32{float32(c.loss)}), true, true); err != nil {
			t.Fatal(err)
		}
		if err := o.Step(0.1, c.move); err != nil {
			t.Fatal(err)
		}
		if r := reports(t, b, o); r.Norm == 0 || r.Failed != 0 {
			t.Errorf("with the loss %v the report is %+v", c.loss, r)
		}
		if err := b.Fetch(vm.Bytes(weights)); err != nil || slices.Equal(weights, before) == c.move {
			t.Errorf("with the loss %v the weights have moved: %v, expected %v (%v)", c.loss, !c.move, c.move, err)
		}
	}
}
