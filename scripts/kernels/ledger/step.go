package main

import (
	"strings"

	"trainer/internal/cuda"
	"trainer/internal/cuda/kernels"
	"trainer/model"
)

// The step that is counted: of GPT-2 with 124 million weights, on 32 sequences of 1024 tokens, in bfloat16.
const sequences, length = 32, 1024

var gpt2 = model.Config{
	Architecture: model.GPT2, VocabSize: 50257, Context: length, Width: 768, Layers: 12, Heads: 12, MLPWidth: 3072, Positions: model.Learned,
	TiedHead: true, Epsilon: 1e-5,
}

// step is what a step asks of a GPU.
type step struct {
	launches        []kernels.Launch // in order
	copied                           // without a kernel
	weights, narrow int              // how many weights there are, and of how many there is a copy in bfloat16
}

// trainingStep writes down the second step of a run, which finds everything bound.
func trainingStep() (*step, error) {
	device := newPaper()
	b, err := cuda.New(device, cuda.Options{Precision: cuda.BF16, GEMM: cuda.Own})
	if err != nil {
		return nil, err
	}
	m, err := model.New(gpt2, 1)
	if err != nil {
		return nil, err
	}
	var parameters []cuda.Parameter
	for i := range m.Parameters {
		p := &m.Parameters[i]
		parameters = append(parameters, cuda.Parameter{Begin: p.Begin, Size: p.Size(), Matrix: p.IsMatrix()})
	}
	moments := [][]float32{make([]float32, len(m.Weights)), make([]float32, len(m.Weights))}
	rule := cuda.Rule{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, Clip: 1}
	o, err := b.NewOptimizer(m.Weights, moments, parameters, rule)
	if err != nil {
		return nil, err
	}
	var batch model.Batch
	tokens := make([]int32, length)
	for range sequences {
		batch.Add(tokens, tokens)
	}
	x := model.NewExecutor(m, b)
	for range 2 {
		device.log, device.copied = nil, copied{}
		if err := x.Start(&batch, model.Train, 1); err != nil {
			return nil, err
		}
		gradient, loss := x.Gradient()
		if err := o.Add(gradient, loss, true, true); err != nil {
			return nil, err
		}
		if err := o.Step(1e-4, true); err != nil {
			return nil, err
		}
	}
	s := &step{launches: device.log, copied: device.copied}
	for i := range m.Parameters {
		p := &m.Parameters[i]
		s.weights += p.Size()
		if p.IsMatrix() && !strings.Contains(p.Name, "wpe") { // positions are gathered and never multiplied
			s.narrow += p.Size()
		}
	}
	return s, nil
}
