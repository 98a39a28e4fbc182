package model

import (
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"trainer/internal/op"
)

// NonFinite says where in a step a number first stopped being finite.
type NonFinite struct {
	Stage    int  // index in Model.Stages
	Backward bool // in the backward pass
}

// FirstNonFinite runs a training step on the batch one instruction after the other and returns where the first value with a NaN or an
// infinity comes up, nil when all are finite. An instruction belongs to the stage whose parameters it reads, and one that reads none to the
// stage before it; a product with the embeddings is the tied head.
func (e *Executor) FirstNonFinite(b *Batch, weight float32) (*NonFinite, error) {
	for i := range e.model.Parameters {
		if p := &e.model.Parameters[i]; IndexNonFinite(p.Value) >= 0 {
			return &NonFinite{Stage: p.Stage}, nil
		}
	}
	shape := e.shape(b, Train)
	p, err := e.program(shape, Train)
	if err != nil {
		return nil, err
	}
	if err := p.write(b.pad(shape, weight)); err != nil {
		return nil, err
	}
	stages := make(map[*gorgonia.Node]int) // by parameter
	for i, n := range p.graph.Parameters {
		stages[n] = e.model.Parameters[i].Stage
	}
	values := p.vm.Program().Values
	loss := p.vm.Program().Index(p.graph.Loss)
	at := &NonFinite{}
	for i, instruction := range p.vm.Program().Instructions {
		for _, v := range instruction.In {
			stage, ok := stages[values[v].Node]
			if !ok {
				continue
			}
			at.Stage = stage
			if _, lookup := instruction.Kernel.(op.Gather); !lookup && stage == 0 {
				at.Stage = len(e.model.Stages) - 1
			}
		}
		if err := p.vm.Step(i); err != nil {
			return nil, err
		}
		for _, v := range instruction.Out {
			data, err := p.vm.Floats(v)
			if err != nil {
				return nil, err
			}
			if IndexNonFinite(data) >= 0 {
				return at, nil
			}
			at.Backward = at.Backward || v == loss
		}
	}
	return nil, nil
}

// IndexNonFinite returns the index of the first NaN or infinity, or -1.
func IndexNonFinite(values []float32) int {
	return slices.IndexFunc(values, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) })
}
