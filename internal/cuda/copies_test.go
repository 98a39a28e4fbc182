package cuda_test

import (
	"slices"
	"testing"

	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/internal/vm"
	"trainer/model"
)

// A backend whose weights were moved, or pushed, must compute what one computes that adopts them as they are now.
func TestCopiesInBFloat16FollowTheWeights(t *testing.T) {
	options := cuda.Options{Precision: cuda.BF16}
	for i, c := range configs()[:2] { // with columns that are multiples of 8, and with others
		m := newModel(t, c)
		b := open(t, emulated.Options{IgnoreRaces: true}, options)
		defer b.Close()
		x := model.NewExecutor(m, b)
		var batch model.Batch
		fill(&batch, c, 5, 7)
		var parameters []cuda.Parameter
		for i := range m.Parameters {
			p := &m.Parameters[i]
			parameters = append(parameters, cuda.Parameter{Begin: p.Begin, Size: p.Size(), Matrix: p.IsMatrix()})
		}
		o, err := b.NewOptimizer(m.Weights, nil, parameters, cuda.Rule{SGD: true})
		if err != nil {
			t.Fatal(err)
		}
		gradient, loss := memoryOf(t, b, make([]float32, len(m.Weights))), memoryOf(t, b, []float32{1})
		move := func() {
			t.Helper()
			if err := o.Add(gradient, loss, true, true); err != nil {
				t.Fatal(err)
			}
			if err := o.Step(0.01, true); err != nil {
				t.Fatal(err)
			}
		}
		move() // before there are copies: the first run makes them
		before := takeStep(t, x, &batch)
		if err := gradient.Write(vm.Bytes(before.gradients)); err != nil {
			t.Fatal(err)
		}
		move()
		move()
		fresh := func(what string) {
			t.Helper()
			got := takeStep(t, x, &batch)
			if got.loss == before.loss {
				t.Errorf("model %d: %s: the loss is still %v", i, what, got.loss)
			}
			other := open(t, emulated.Options{Seed: 7, IgnoreRaces: true}, options)
			defer other.Close()
			if want := takeStep(t, model.NewExecutor(m, other), &batch); got.loss != want.loss || !slices.Equal(got.nll, want.nll) {
				t.Errorf("model %d: %s: the loss is %v, that of a fresh backend %v", i, what, got.loss, want.loss)
			}
			before = got
		}
		if err := b.Fetch(vm.Bytes(m.Weights)); err != nil {
			t.Fatal(err)
		}
		fresh("moved by the optimizer")
		for i := range m.Weights {
			m.Weights[i] *= 0.75
		}
		if err := b.Push(vm.Bytes(m.Weights)); err != nil {
			t.Fatal(err)
		}
		fresh("pushed by the host")
	}
}
