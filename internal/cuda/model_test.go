package cuda_test

import (
	"fmt"
	"math"
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/model"
)

// configs are small models: every kind of positions, tied and untied heads, and sizes that are multiples of 8 and that are not.
func configs() []model.Config {
	tied := model.Calculator(40)
	tied.Width, tied.MLPWidth = 48, 96
	tied.TiedHead = true
	odd := model.Calculator(37)
	odd.Width, odd.Heads, odd.MLPWidth, odd.Positions = 30, 5, 50, model.Rotary
	fixed := model.Calculator(19)
	fixed.Layers, fixed.Width, fixed.Heads, fixed.MLPWidth, fixed.Positions = 1, 24, 1, 40, model.Sinusoidal
	wide := model.Calculator(140) // several tiles of everything
	wide.Context, wide.Layers, wide.Width, wide.Heads, wide.MLPWidth = 80, 1, 128, 2, 256
	return []model.Config{tied, odd, fixed, wide}
}

// newModel returns a model whose weights are large enough for attention and GELU to be far from linear.
func newModel(t testing.TB, c model.Config) *model.Model {
	t.Helper()
	m, err := model.New(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Parameters {
		p := &m.Parameters[i]
		for j := range p.Value {
			if p.IsMatrix() {
				p.Value[j] *= 8
			} else {
				p.Value[j] += float32(j%5) / 20
			}
		}
	}
	return m
}

// fill packs sequences of the given lengths; every third token has no target.
func fill(b *model.Batch, c model.Config, lengths ...int) {
	b.Reset()
	for s, n := range lengths {
		tokens, targets := make([]int32, n), make([]int32, n)
		for i := range tokens {
			tokens[i] = int32((7*i + 5*s + i*i) % c.VocabSize)
			targets[i] = int32((11*i + s) % c.VocabSize)
			if i%3 == 1 {
				targets[i] = -1
			}
		}
		b.Add(tokens, targets)
	}
}

// step is the result of a training step.
type step struct {
	loss      float32
	nll, hits []float32
	gradients []float32
}

func takeStep(t testing.TB, x *model.Executor, b *model.Batch) step {
	t.Helper()
	r, err := x.Run(b, model.Train, 1/float32(b.Predictions()))
	if err != nil {
		t.Fatal(err)
	}
	s := step{loss: r.Loss, nll: append([]float32(nil), r.NLL...), hits: append([]float32(nil), r.Hits...)}
	g, err := x.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	s.gradients = append([]float32(nil), g...)
	return s
}

// distance is the norm of the difference of two vectors, as a share of the norm of the second.
func distance(got, want []float32) float64 {
	var difference, size float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		difference += d * d
		size += float64(w) * float64(w)
	}
	return math.Sqrt(difference / max(size, 1e-30))
}

// In bfloat16 each of about ten roundings on the way to a gradient is off by 2^-9 on average of 2^-8 at most.
func TestModelsHaveTheLossAndTheGradientsOfTheCPU(t *testing.T) {
	for i, c := range configs() {
		m := newModel(t, c)
		host := cpu.New(1, kernel.Best())
		defer host.Close()
		var b model.Batch
		fill(&b, c, c.Context, 1, c.Context*3/4)
		want := takeStep(t, model.NewExecutor(m, host), &b)
		for _, o := range []struct {
			name    string
			options cuda.Options
			device  emulated.Options
			limit   float64
		}{
			{"float32", cuda.Options{}, emulated.Options{}, 2e-5},
			{"bfloat16", cuda.Options{Precision: cuda.BF16}, emulated.Options{}, 0.03},
			{"float32, library", cuda.Options{GEMM: cuda.CuBLASLt}, emulated.Options{MatMul: true}, 2e-5},
			{"bfloat16, library", cuda.Options{Precision: cuda.BF16, GEMM: cuda.CuBLASLt}, emulated.Options{MatMul: true}, 0.03},
		} {
			if o.device.MatMul && i > 1 {
				continue // its products are like those of the first
			}
			t.Run(fmt.Sprintf("model %d/%s", i, o.name), func(t *testing.T) {
				o.device.IgnoreRaces = i > 0 // searching for them takes most of the time
				gpu := open(t, o.device, o.options)
				defer gpu.Close()
				got := takeStep(t, model.NewExecutor(m, gpu), &b)
				if d := distance([]float32{got.loss}, []float32{want.loss}); d > o.limit {
					t.Errorf("the loss is %v, on the CPU %v", got.loss, want.loss)
				}
				if d := distance(got.nll, want.nll); d > o.limit {
					t.Errorf("the losses of the predictions are off by %.2g of their size", d)
				}
				for i := range m.Parameters {
					p := &m.Parameters[i]
					end := p.Begin + p.Size()
					if d := distance(got.gradients[p.Begin:end], want.gradients[p.Begin:end]); d > o.limit {
						t.Errorf("the gradient of %s is off by %.2g of its size, expected %.2g or less", p.Name, d, o.limit)
					}
				}
			})
		}
	}
}
