package model

import (
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
)

// The second batch has a prediction in every row, the first in some; the third has dropout.
func TestRecomputationKeepsEveryBitOfLossAndGradients(t *testing.T) {
	for name, c := range kinds() {
		c.Layers, c.Dropout = 3, 0.2
		m := newModel(t, c)
		full := example{tokens: []int32{1, 2, 3, 4, 5}, targets: []int32{2, 3, 4, 5, 6}}
		for _, b := range []*Batch{batchOf(mixedExamples(c)...), batchOf(full, full), dropping(c, 7, 0, mixedExamples(c)...)} {
			for _, threads := range []int{1, 2} {
				backend := cpu.New(threads, kernel.Best())
				defer backend.Close()
				keep, again := NewExecutor(m, backend), NewExecutor(m, backend)
				again.Recompute = true
				want, got := run(t, keep, b, Train, 0.1), run(t, again, b, Train, 0.1)
				sameBits(t, name+": loss", []float32{got.Loss}, []float32{want.Loss})
				sameBits(t, name+": NLL", got.NLL, want.NLL)
				sameBits(t, name+": hits", got.Hits, want.Hits)
				sameBits(t, name+": gradients", got.Gradients, want.Gradients)
				if before, after := arena(keep), arena(again); after >= before {
					t.Errorf("%s: the arena has %d bytes with recomputation and %d without", name, after, before)
				}
			}
		}
	}
}

// arena is the size of the arena of the program that ran last, in bytes.
func arena(e *Executor) int { return e.last.vm.Plan().ArenaSize }

// 8 sequences of 1,024 tokens. The logits and what each block leaves on the residual stream are most of what remains.
func TestRecomputationMakesTheActivationsOfGPT2AThird(t *testing.T) {
	c := Config{
		Architecture: GPT2, VocabSize: 50257, Context: 1024, Width: 768, Layers: 12, Heads: 12, MLPWidth: 4 * 768,
		Epsilon: 1e-5, Positions: Learned, TiedHead: true, BOS: NoToken, EOS: NoToken, PAD: NoToken,
	}
	shape := Shape{Rows: 8 * c.Context, Sequences: 8}
	var needs [2]Needs
	for i := range needs {
		var err error
		if needs[i], err = c.Needs(shape, i == 1); err != nil {
			t.Fatal(err)
		}
	}
	keep, again := needs[0], needs[1]
	t.Logf("the arena has %d bytes, with recomputation %d", keep.Activations, again.Activations)
	if 3*again.Activations > keep.Activations || again.Gradients != keep.Gradients {
		t.Errorf("a step needs %+v with recomputation and %+v without, expected a third of the activations at most", again, keep)
	}
}
