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

// Needs plans the memory of a training step on batches of a shape, in float32, without making the model.
func (c Config) Needs(s Shape) (Needs, error) {
	if err := c.Validate(); err != nil {
		return Needs{}, err
	}
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
	plan := vm.NewPlan(program)
	return Needs{Activations: plan.ArenaSize, Gradients: plan.OutputSize}, nil
}

// FLOP returns the floating-point operations of a forward pass: of tokens, some of which predict the next one, and that attend to so many
// pairs of a token with itself or one before it. Only matrix products and attention are counted; behind the last attention only the
// rows that predict. A backward pass takes twice as many.
func (c Config) FLOP(tokens, predictions, pairs float64) float64 {
	width, inner := float64(c.Width), float64(c.MLPInputs()+c.MLPWidth)
	sum := 2 * predictions * width * float64(c.VocabSize)
	for layer := range c.Layers {
		rows := tokens // behind attention
		if layer == c.Layers-1 {
			rows = predictions
		}
		sum += 2*tokens*width*float64(c.QKVWidth()) + 2*rows*width*width + 2*rows*width*inner + // the matrices of a block
			2*2*pairs*width // queries with keys, weights with values
	}
	return sum
}
