package model

import (
	"fmt"
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/vm"
)

func TestASteadyRunAllocatesNothing(t *testing.T) {
	m := newModel(t, Calculator(35))
	for _, threads := range []int{1, 2} {
		backend := cpu.New(threads, kernel.Best())
		defer backend.Close()
		e := NewExecutor(m, backend)
		b, list := &Batch{}, mixedExamples(m.Config)
		// Every mode, with batches of two shapes in turns.
		step := func() {
			for _, mode := range []Mode{Predict, Evaluate, Train} {
				for _, n := range []int{2, len(list)} {
					b.Reset()
					for _, one := range list[:n] {
						b.Add(one.tokens, one.targets)
					}
					if _, err := e.Run(b, mode, 0.1); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		step() // compiles the programs
		if n := testing.AllocsPerRun(50, step); n != 0 {
			t.Errorf("%d threads: runs allocate %g times, want never", threads, n)
		}
	}
}

func TestTheSameBatchGivesTheSameBits(t *testing.T) {
	for _, threads := range []int{1, 2} {
		var first outcome
		for i := range 3 {
			m := newModel(t, Calculator(35))
			backend := cpu.New(threads, kernel.Best())
			defer backend.Close()
			r := run(t, NewExecutor(m, backend), batchOf(mixedExamples(m.Config)...), Train, 0.1)
			if i == 0 {
				first = r
				continue
			}
			what := fmt.Sprintf("%d threads, run %d", threads, i)
			sameBits(t, what+": loss", []float32{r.Loss}, []float32{first.Loss})
			sameBits(t, what+": gradients", r.Gradients, first.Gradients)
		}
	}
}

// Programs of other shapes and modes use the same memory.
func TestOneExecutorRunsAllShapesAndModesInAnyOrder(t *testing.T) {
	m := newModel(t, kinds()["rotary, tied true"])
	shared := newExecutor(t, m)
	small, large := mixedExamples(m.Config)[:2], append(mixedExamples(m.Config), mixedExamples(m.Config)...)
	for _, list := range [][]example{small, large, small, large} {
		for _, mode := range []Mode{Train, Predict, Evaluate, Train} {
			got := run(t, shared, batchOf(list...), mode, 0.1)
			want := run(t, newExecutor(t, m), batchOf(list...), mode, 0.1)
			sameBits(t, "loss", []float32{got.Loss}, []float32{want.Loss})
			sameBits(t, "logits", got.Logits, want.Logits)
			sameBits(t, "NLL", got.NLL, want.NLL)
			sameBits(t, "gradients", got.Gradients, want.Gradients)
		}
	}
}

// Otherwise a run over sequences of many lengths would take more memory with every step.
func TestAnExecutorKeepsTheProgramsOfItsLatestShapes(t *testing.T) {
	c := kinds()["learned, tied false"]
	c.Layers = 1
	e := newExecutor(t, newModel(t, c))
	shape := func(i int) Shape { return Shape{Rows: 16, Sequences: i + 1} }
	request := func(i int) *program {
		p, err := e.program(shape(i), Predict)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := request(0)
	for i := range maxPrograms {
		request(i)
	}
	if request(0) != first {
		t.Error("a program was compiled again while there was room")
	}
	request(maxPrograms) // the last to run is shape 0, the first shape 1
	if len(e.programs) != maxPrograms || e.programs[programKey{Shape: shape(1), Mode: Predict}] != nil {
		t.Errorf("%d programs are kept, want %d without that of the second shape", len(e.programs), maxPrograms)
	}
	if request(0) != first {
		t.Error("a program that has just run was dropped")
	}
}

// Weights are trained in place: an executor computes with what they are now.
func TestAnExecutorSeesNewWeights(t *testing.T) {
	m := newModel(t, kinds()["learned, tied false"])
	e := newExecutor(t, m)
	b := batchOf(mixedExamples(m.Config)...)
	old := run(t, e, b, Train, 0.1)
	const rate = 0.01
	var squares float64
	for i, g := range old.Gradients {
		m.Weights[i] -= rate * g
		squares += float64(g) * float64(g)
	}
	// To first order the loss falls by the rate times the squared norm of the gradient.
	fall, want := float64(old.Loss-run(t, e, b, Train, 0.1).Loss), rate*squares
	if fall < 0.8*want || fall > 1.2*want {
		t.Errorf("the loss falls by %g, want about %g", fall, want)
	}
}

func TestStretchesOfTheGradientAreToldWhenTheyAreFinal(t *testing.T) {
	list := kinds()
	narrow := Calculator(35)
	narrow.Width, narrow.Heads, narrow.MLPWidth = 24, 2, 40 // which leaves gaps behind biases and norms
	list["with gaps"] = narrow
	for name, c := range list {
		for threads := 1; threads <= 2; threads++ {
			m := newModel(t, c)
			backend := cpu.New(threads, kernel.Best())
			defer backend.Close()
			e := NewExecutor(m, backend)
			e.Recompute = threads == 2
			n := len(m.Weights)
			stretches := []Stretch{{0, n / 3}, {n / 3, n / 2}, {n / 2, n}}
			told := make([]float32, n)
			var order []int
			e.Watch(stretches, func(i int, gradient vm.Memory) {
				copy(told[stretches[i].Begin:stretches[i].End], vm.Float32s(gradient.Host())[stretches[i].Begin:])
				order = append(order, i)
			})
			list := mixedExamples(m.Config)
			for _, size := range []int{len(list), 2, len(list)} {
				run(t, e, batchOf(list...), Predict, 0) // whose results lie where the gradients will
				order = order[:0]
				r := run(t, e, batchOf(list[:size]...), Train, 0.1)
				sameBits(t, fmt.Sprintf("%s, %d threads: gradient when it was told", name, threads), told, r.Gradients)
				if len(order) != len(stretches) || order[len(order)-1] != 0 {
					t.Errorf("%s: stretches were told in the order %v, want each once, and the embeddings' last", name, order)
				}
			}
		}
	}
}
