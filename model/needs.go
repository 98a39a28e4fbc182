package model

import (
	"fmt"

	"trainer/internal/vm"
)

// Needs is what a training step takes.
type Needs struct {
	Activations int // bytes of what lives between the forward and the backward pass and in them
	Gradients   int // bytes of the gradients of all weights
}

// Needs plans the memory of a training step on batches of a shape, in float32, without making the model, with dropout where the configuration
// has it. recompute is that of an Executor.
func (c Config) Needs(s Shape, recompute bool) (Needs, error) {
	if err := c.Validate(); err != nil {
		return Needs{}, err
	}
	s.Dropout = c.Dropout > 0
	g, err := sketch(c).Graph(s)
	if err != nil {
		return Needs{}, err
	}
	gradients, err := g.Gradients()
	if err != nil {
		return Needs{}, err
	}
	program, err := vm.Compile(append(gradients, g.Loss)...)
	if err != nil {
		return Needs{}, fmt.Errorf("a step of %d tokens: %w", s.Rows, err)
	}
	if recompute {
		program = vm.Recompute(program, g.Residual...)
	}
	plan := vm.NewPlan(program)
	return Needs{Activations: plan.ArenaSize, Gradients: plan.OutputSize}, nil
}

// FLOP returns the floating-point operations of a forward pass: of tokens, some of which predict the next one, and that attend to so many
// pairs of a token with itself or one before it. Only matrix products and attention are counted; behind the last attention only the
// rows that predict. A backward pass takes twice as many.
func (c Config) FLOP(tokens, predictions, pairs float64) float64 {
	width, head := float64(c.Width), 2*predictions*float64(c.Width)*float64(c.VocabSize)
	rows := tokens*float64(c.Layers-1) + predictions // behind the attention of all layers
	return head + c.RecomputeFLOP(tokens, predictions, pairs) + 2*rows*width*float64(c.MLPWidth)
}

// RecomputeFLOP returns those operations of a forward pass that Recompute of an Executor does twice, see FLOP: all but the head and the
// last product of each block, whose results no gradient needs.
func (c Config) RecomputeFLOP(tokens, predictions, pairs float64) float64 {
	layers, width := float64(c.Layers), float64(c.Width)
	rows := tokens*(layers-1) + predictions
	return 2*tokens*layers*width*float64(c.QKVWidth()) + 2*rows*width*(width+float64(c.MLPInputs())) +
		2*2*pairs*layers*width // queries with keys, weights with values
}
