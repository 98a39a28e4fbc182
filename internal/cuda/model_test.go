package cuda_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/internal/vm"
	"trainer/model"
)

// configs are small models: both architectures, every kind of positions, tied and untied heads, dropout, and sizes that are multiples of 8 and that
// are not.
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
	llama := model.Calculator(40)
	llama.Architecture, llama.KVHeads, llama.MLPWidth, llama.Positions = model.Llama, 2, 88, model.Rotary
	dropping := odd
	dropping.Dropout = 0.2
	oddLlama := odd
	oddLlama.Architecture, oddLlama.KVHeads, oddLlama.TiedHead = model.Llama, 1, true
	return []model.Config{tied, odd, llama, fixed, wide, oddLlama, dropping}
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
	if c.Dropout > 0 {
		b.Drop(1<<40+3, 2, c.Context)
	}
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
	loss           float32
	nll, gradients []float32
}

func takeStep(t testing.TB, x *model.Executor, b *model.Batch) step {
	t.Helper()
	r, err := x.Run(b, model.Train, 1/float32(b.Predictions()))
	if err != nil {
		t.Fatal(err)
	}
	s := step{loss: r.Loss, nll: slices.Clone(r.NLL)}
	g, err := x.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	s.gradients = slices.Clone(g)
	return s
}

// predict returns the logits.
func predict(t testing.TB, x *model.Executor, b *model.Batch) []float32 {
	t.Helper()
	r, err := x.Run(b, model.Predict, 0)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(r.Logits)
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

// In bfloat16 each of about a dozen roundings on the way to a gradient is off by up to 2^-9 of a value.
func TestModelsHaveTheLossAndTheGradientsOfTheCPU(t *testing.T) {
	host := cpu.New(1, kernel.Best())
	defer host.Close()
	models := configs()
	for _, c := range []struct {
		name    string
		options cuda.Options
		device  emulated.Options
		models  []model.Config
		limit   float64
	}{
		{"float32", cuda.Options{}, emulated.Options{}, models, 5e-6},
		{"bfloat16", cuda.Options{Precision: cuda.BF16}, emulated.Options{}, models, 0.04},
		{"float32, library", cuda.Options{GEMM: cuda.CuBLASLt}, emulated.Options{MatMul: true}, models[:3], 5e-6},
		{"bfloat16, library", cuda.Options{Precision: cuda.BF16, GEMM: cuda.CuBLASLt}, emulated.Options{MatMul: true}, models[:3], 0.04},
	} {
		c.device.IgnoreRaces = c.options.Precision == cuda.F32 // searching for them takes most of the time
		gpu := open(t, c.device, c.options)
		defer gpu.Close()
		for i, config := range c.models {
			t.Run(fmt.Sprintf("%s/model %d", c.name, i), func(t *testing.T) { compareStep(t, config, host, gpu, c.limit) })
		}
	}
}

// compareStep compares a training step of a model on two backends; limit is the largest difference, as a share of a result's size.
func compareStep(t *testing.T, c model.Config, host, gpu vm.Backend, limit float64) {
	t.Helper()
	m := newModel(t, c)
	var b model.Batch
	fill(&b, c, c.Context, 1, c.Context*3/4)
	onHost, onGPU := model.NewExecutor(m, host), model.NewExecutor(m, gpu)
	if d := distance(predict(t, onGPU, &b), predict(t, onHost, &b)); d > limit {
		t.Errorf("the logits are off by %.2g of their size", d)
	}
	want, got := takeStep(t, onHost, &b), takeStep(t, onGPU, &b)
	if d := distance([]float32{got.loss}, []float32{want.loss}); d > limit {
		t.Errorf("the loss is %v, on the CPU %v", got.loss, want.loss)
	}
	if d := distance(got.nll, want.nll); d > limit {
		t.Errorf("the losses of the predictions are off by %.2g of their size", d)
	}
	for i := range m.Parameters {
		p := &m.Parameters[i]
		end := p.Begin + p.Size()
		if d := distance(got.gradients[p.Begin:end], want.gradients[p.Begin:end]); d > limit {
			t.Errorf("the gradient of %s is off by %.2g of its size, expected %.2g or less", p.Name, d, limit)
		}
	}
}
