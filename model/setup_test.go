package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/vm"
)

// kinds are the eight kinds of model in a size that no kernel likes: GPT-2 by positions, and Llama, one of which shares keys and values
// between heads, with the head tied to the embeddings or not.
func kinds() map[string]Config {
	all := make(map[string]Config)
	for _, tied := range []bool{false, true} {
		for _, positions := range []Positions{Learned, Sinusoidal, Rotary} {
			c := Config{
				Architecture: GPT2, VocabSize: 19, Context: 9, Width: 36, Layers: 2, Heads: 3, MLPWidth: 50, Epsilon: 1e-5, RopeTheta: DefaultRopeTheta,
				Positions: positions, TiedHead: tied, BOS: NoToken, EOS: NoToken, PAD: NoToken,
			}
			all[fmt.Sprintf("%s, tied %v", positions, tied)] = c
		}
		c := all[fmt.Sprintf("%s, tied %v", Rotary, tied)]
		c.Architecture, c.KVHeads, c.RopeTheta = Llama, 3, 500
		if tied {
			c.KVHeads = 1
		}
		all[fmt.Sprintf("%s, tied %v", Llama, tied)] = c
	}
	return all
}

// newModel returns a model in which every weight matters: biases and norms are random too, and attention is far from uniform.
func newModel(t testing.TB, c Config) *Model {
	t.Helper()
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(8, 9))
	for i := range m.Parameters {
		for j := range m.Parameters[i].Value {
			m.Parameters[i].Value[j] += float32(0.15 * random.NormFloat64())
		}
	}
	return m
}

// newBackend returns the CPU backend of one thread until the end of the test.
func newBackend(t testing.TB) vm.Backend {
	b := cpu.New(1, kernel.Best())
	t.Cleanup(func() { b.Close() })
	return b
}

func newExecutor(t testing.TB, m *Model) *Executor { return NewExecutor(m, newBackend(t)) }

// outcome is a Result with the gradients.
type outcome struct {
	Result
	Gradients []float32
}

// run computes a batch and returns a copy of the outcome.
func run(t testing.TB, e *Executor, b *Batch, mode Mode, weight float32) outcome {
	t.Helper()
	r, err := e.Run(b, mode, weight)
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{Result: *r}
	if mode == Train {
		if o.Gradients, err = e.Gradients(); err != nil {
			t.Fatal(err)
		}
	}
	return copied(o)
}

func copied(o outcome) outcome {
	for _, list := range []*[]float32{&o.Logits, &o.NLL, &o.Hits, &o.Gradients} {
		*list = slices.Clone(*list)
	}
	return o
}

// example is a sequence with its targets.
type example struct{ tokens, targets []int32 }

// newExamples are sequences of the given lengths with random tokens. One token in three has no target, the last of a sequence always has.
func newExamples(c Config, lengths ...int) []example {
	random := rand.New(rand.NewPCG(3, 4))
	var list []example
	for _, n := range lengths {
		var e example
		for i := range n {
			e.tokens = append(e.tokens, random.Int32N(int32(c.VocabSize)))
			target := random.Int32N(int32(c.VocabSize))
			if i < n-1 && random.IntN(3) == 0 {
				target = -1
			}
			e.targets = append(e.targets, target)
		}
		list = append(list, e)
	}
	return list
}

func batchOf(list ...example) *Batch {
	b := &Batch{}
	for _, e := range list {
		b.Add(e.tokens, e.targets)
	}
	return b
}

// dropping is a batch with dropout.
func dropping(c Config, key uint64, first int, list ...example) *Batch {
	b := &Batch{}
	b.Drop(key, first, c.Context)
	for _, e := range list {
		b.Add(e.tokens, e.targets)
	}
	return b
}

// near fails where numbers deviate by more than the tolerance, which is relative to the largest of those wanted.
func near(t testing.TB, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(float64(w)))
	}
	worst, at := 0.0, 0
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= worst) {
			worst, at = d, i
		}
	}
	if !(worst <= tolerance*largest) {
		t.Errorf("%s: number %d is %g, want %g within %g", what, at, got[at], want[at], tolerance*largest)
	}
}

// sameBits fails at the first number that differs in any bit.
func sameBits(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("%s: number %d is %g, want %g, bit for bit", what, i, got[i], want[i])
			return
		}
	}
}

// rounding is the tolerance for numbers that are the same sums in another order. Each is a sum of at most some hundred products in
// float32, whose unit is 6e-8, and passes through about ten such sums.
const rounding = 5e-6

// sameOutcome compares losses and gradients that are the same sums in another order.
func sameOutcome(t testing.TB, m *Model, got, want outcome) {
	t.Helper()
	near(t, "loss", []float32{got.Loss}, []float32{want.Loss}, rounding)
	for i := range m.Parameters {
		p := &m.Parameters[i]
		near(t, p.Name, got.Gradients[p.Begin:p.Begin+p.Size()], want.Gradients[p.Begin:p.Begin+p.Size()], rounding)
	}
}
