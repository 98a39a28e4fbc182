package model

import (
	"math"
	"slices"
	"strings"
	"testing"

	"trainer/internal/op"
)

// withDropout runs f with a model of every kind that drops 0.3 of its activations.
func withDropout(t *testing.T, f func(t *testing.T, m *Model, e *Executor)) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		m.Config.Dropout = 0.3
		f(t, m, e)
	})
}

func TestTheKeyDecidesWhichActivationsFall(t *testing.T) {
	withDropout(t, func(t *testing.T, m *Model, e *Executor) {
		list := mixedExamples(m.Config)
		losses := make(map[float32]bool)
		for _, key := range []uint64{1, 2, 1 << 32, 1<<32 | 1} {
			loss := run(t, e, dropping(m.Config, key, 0, list...), Train, 0.1).Loss
			losses[loss] = true
			if again := run(t, e, dropping(m.Config, key, 0, list...), Train, 0.1).Loss; again != loss {
				t.Errorf("key %d: the loss is %g and then %g", key, loss, again)
			}
		}
		losses[run(t, e, dropping(m.Config, 1, 1, list...), Train, 0.1).Loss] = true
		losses[run(t, e, batchOf(list...), Train, 0.1).Loss] = true
		if len(losses) != 6 {
			t.Errorf("four keys, another place in the step and no dropout have %d different losses", len(losses))
		}
	})
}

// Sums over a batch and over its parts differ in rounding only, if the same activations fall.
func TestDropoutDoesNotDependOnHowABatchIsDivided(t *testing.T) {
	withDropout(t, func(t *testing.T, m *Model, e *Executor) {
		list := mixedExamples(m.Config)
		want := run(t, e, dropping(m.Config, 9, 3, list...), Train, 0.1)
		var sum outcome
		for _, part := range [][2]int{{0, 1}, {1, 5}, {5, len(list)}} {
			r := run(t, e, dropping(m.Config, 9, 3+part[0], list[part[0]:part[1]]...), Train, 0.1)
			if sum.Gradients == nil {
				sum = r
				continue
			}
			sum.Loss += r.Loss
			for i, g := range r.Gradients {
				sum.Gradients[i] += g
			}
		}
		sameOutcome(t, m, sum, want)
	})
}

// Along the gradient g the loss rises by |g|² a step.
func TestGradientsWithDropoutMatchFiniteDifferences(t *testing.T) {
	withDropout(t, func(t *testing.T, m *Model, e *Executor) {
		b := dropping(m.Config, 4, 0, mixedExamples(m.Config)...)
		gradient := run(t, e, b, Train, 0.1).Gradients
		norm := 0.0
		for _, g := range gradient {
			norm += float64(g) * float64(g)
		}
		weights, step := slices.Clone(m.Weights), 1e-3/math.Sqrt(norm)
		at := func(step float64) float64 {
			for i := range m.Weights {
				m.Weights[i] = weights[i] + float32(step*float64(gradient[i]))
			}
			return float64(run(t, e, b, Train, 0.1).Loss)
		}
		numeric := (at(step) - at(-step)) / (2 * step)
		if math.Abs(numeric-norm) > 2e-3*norm {
			t.Errorf("the loss rises by %g along a gradient whose norm squared is %g", numeric, norm)
		}
	})
}

func TestEveryPlaceInTheModelDropsOtherElements(t *testing.T) {
	withDropout(t, func(t *testing.T, m *Model, _ *Executor) {
		g, err := m.Graph(Shape{Rows: 11, Sequences: 2, Dropout: true})
		if err != nil {
			t.Fatal(err)
		}
		salts := make(map[uint32]bool)
		for _, n := range g.Loss.Graph().AllNodes() {
			if o, ok := n.Op().(op.Op); ok {
				if k, ok := o.Kernel.(op.Dropout); ok {
					salts[k.Salt] = true
				}
			}
		}
		if want := 1 + 2*m.Config.Layers; len(salts) != want {
			t.Errorf("there are %d different dropouts, want %d: of the embeddings, and of two branches of each block", len(salts), want)
		}
	})
}

func TestNothingFallsOutsideOfTraining(t *testing.T) {
	withDropout(t, func(t *testing.T, m *Model, e *Executor) {
		list := mixedExamples(m.Config)
		for _, mode := range []Mode{Predict, Evaluate} {
			got, want := run(t, e, dropping(m.Config, 1, 0, list...), mode, 0.1), run(t, e, batchOf(list...), mode, 0.1)
			sameBits(t, "logits", got.Logits, want.Logits)
			sameBits(t, "NLL", got.NLL, want.NLL)
		}
	})
}

func TestDropoutOfNothingIsTheGraphWithoutDropout(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		list := mixedExamples(m.Config)
		got, want := run(t, e, dropping(m.Config, 1, 0, list...), Train, 0.1), run(t, e, batchOf(list...), Train, 0.1)
		sameBits(t, "gradients", got.Gradients, want.Gradients)
		if len(e.programs) != 1 {
			t.Errorf("there are %d programs, expected one for both", len(e.programs))
		}
	})
}

// No mask is kept, and a branch falls in place. The batch is of a shape that is not rounded up.
func TestDropoutNeedsNoMemory(t *testing.T) {
	for name, c := range kinds() {
		var arenas [2]int
		for i, rate := range []float64{0, 0.3} {
			c.Dropout = rate
			var list []example
			for range 16 {
				list = append(list, example{tokens: []int32{1, 2}, targets: []int32{-1, 3}})
			}
			e := newExecutor(t, newModel(t, c))
			run(t, e, dropping(c, 1, 0, list...), Train, 0.1)
			needs, err := c.Needs(Shape{Rows: 32, Sequences: 16, Predictions: 16}, false)
			if arenas[i] = arena(e); err != nil || needs.Activations != arenas[i] {
				t.Errorf("%s, dropout %g: a step is said to need %d bytes, %v, and has %d", name, rate, needs.Activations, err, arenas[i])
			}
		}
		if arenas[1] != arenas[0] {
			t.Errorf("%s: the arena has %d bytes with dropout and %d without", name, arenas[1], arenas[0])
		}
	}
}

func TestConfigNamesDropoutAsTransformersDo(t *testing.T) {
	c := Calculator(30)
	c.Dropout = 0.1
	text := string(c.Marshal())
	for _, want := range []string{`"resid_pdrop": 0.1`, `"embd_pdrop": 0.1`, `"attn_pdrop": 0,`} {
		if !strings.Contains(text, want) {
			t.Errorf("config.json has no %s:\n%s", want, text)
		}
	}
	again, err := ParseConfig([]byte(text), "config.json")
	if c.Dropout = 0; err != nil || again != c {
		t.Errorf("read again it is %+v, %v, want %+v: a model that is loaded trains without dropout", again, err, c)
	}
	c.Dropout = 1
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "dropout 1: expected 0 or more and less than 1") {
		t.Errorf("dropout 1: %v", err)
	}
}
