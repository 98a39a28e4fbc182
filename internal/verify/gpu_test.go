package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/internal/vm"
	"trainer/model"
)

// emulatedGPU is a GPU for one test. With a library cuBLASLt's stand-in makes the products, else the kernels of our own.
func emulatedGPU(t *testing.T, p cuda.Precision, library bool) Machine {
	t.Helper()
	device, err := emulated.New(emulated.Options{IgnoreRaces: true, MatMul: library}).Open(0)
	if err != nil {
		t.Fatal(err)
	}
	o := cuda.Options{Precision: p, GEMM: cuda.Own}
	if library {
		o.GEMM = cuda.CuBLASLt
	}
	b, err := cuda.New(device, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return OnGPU(b, p)
}

func TestNumbersOfAnEmulatedGPUAreThoseOfPyTorch(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, p := range map[string]cuda.Precision{"float32": cuda.F32, "bfloat16": cuda.BF16} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Run(folder, emulatedGPU(t, p, false))
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range r.Failed() {
				t.Errorf("%s: %s is off by %v of %g", row.Group, row.Tensor, row.Deviations, row.Size)
			}
			if len(r.Rows) != referenceRows || !strings.Contains(r.Device, name) {
				t.Errorf("%d rows on %s, want %d and %s", len(r.Rows), r.Device, referenceRows, name)
			}
		})
	}
}

// opened opens the reference until the end of the test.
func opened(t *testing.T, on Machine) *comparison {
	t.Helper()
	c, err := open(folder, on)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(c.references) })
	return c
}

// failed compares tensors and returns the names of those that are not the reference's.
func failed(t *testing.T, c *comparison, n numbers) []string {
	t.Helper()
	var names []string
	for name, values := range n {
		row, err := c.row(name, values)
		if err != nil {
			t.Fatal(err)
		}
		if !row.OK() {
			names = append(names, fmt.Sprintf("%s (off by %.2g)", name, row.Relative()))
		}
	}
	return names
}

// onePass computes logits, loss and gradients of one batch.
func onePass(t *testing.T, c *comparison, p path) numbers {
	t.Helper()
	out, err := p.run(c.in.x, c.in.y)
	if err != nil {
		t.Fatal(err)
	}
	n := numbers{"logits": out.logits, "loss": {out.loss}}
	for i := range c.model.Parameters {
		n.add("grad.", &c.model.Parameters[i], out.gradients[i])
	}
	return n
}

// The stand-in is slow: one pass shows every product.
func TestNumbersWithTheVendorsProductsAreThoseOfPyTorch(t *testing.T) {
	for name, p := range map[string]cuda.Precision{"float32": cuda.F32, "bfloat16": cuda.BF16} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := emulatedGPU(t, p, true)
			c := opened(t, on)
			if names := failed(t, c, onePass(t, c, newExecutorPath(c.model, on, c.in))); names != nil {
				t.Errorf("these tensors fail: %v", names)
			}
		})
	}
}

// backwards runs a batch last row first, positions too, and turns the logits around: attention sees what comes after a token instead of what
// comes before.
type backwards struct{ *graphPath }

func (b backwards) run(tokens, targets []int32) (*pass, error) {
	tokens, targets = slices.Clone(tokens), slices.Clone(targets)
	positions := make([]int32, len(tokens))
	if err := b.machine.Memory(b.graph.Positions).Read(vm.Bytes(positions)); err != nil {
		return nil, err
	}
	slices.Reverse(tokens)
	slices.Reverse(targets)
	slices.Reverse(positions)
	if err := b.write(b.graph.Positions, vm.Bytes(positions)); err != nil {
		return nil, err
	}
	out, err := b.graphPath.run(tokens, targets)
	if err != nil {
		return nil, err
	}
	rows := slices.Collect(slices.Chunk(out.logits, b.model.Config.VocabSize))
	slices.Reverse(rows)
	out.logits = slices.Concat(rows...)
	return out, nil
}

func transpose(p *model.Parameter) {
	old, n := slices.Clone(p.Value), p.Shape[1]
	for i := range old {
		p.Value[i] = old[i%n*n+i/n]
	}
}

func TestMistakesAreSeenInBFloat16(t *testing.T) {
	t.Parallel()
	on := emulatedGPU(t, cuda.BF16, false)
	for mistake, make := range map[string]func(g *graphPath) path{
		"none": func(g *graphPath) path { return g },
		"a bias is missing": func(g *graphPath) path {
			clear(g.model.Parameter("transformer.h.0.attn.c_attn.bias").Value)
			return g
		},
		"a matrix is transposed": func(g *graphPath) path {
			transpose(g.model.Parameter("transformer.h.0.attn.c_proj.weight"))
			return g
		},
		"attention sees the future": func(g *graphPath) path { return backwards{g} },
	} {
		c := opened(t, on)
		g, err := newGraphPath(c.model, on, c.in)
		if err != nil {
			t.Fatal(err)
		}
		p := make(g)
		if err := on.gpu.Push(vm.Bytes(c.model.Weights)); err != nil {
			t.Fatal(err)
		}
		names := failed(t, c, onePass(t, c, p))
		if all := 2 + len(c.model.Parameters); mistake != "none" && len(names) < all/2 || mistake == "none" && names != nil {
			t.Errorf("mistake: %s: %d of %d tensors fail: %v", mistake, len(names), all, names)
		}
	}
}

// still leaves the weights where they are, as copies in bfloat16 are that the optimizer does not renew.
type still struct{ *deviceSteps }

func (s still) step() (loss, norm float32, err error) { return s.take(false) }

func TestStepsThatMoveNothingAreSeenInBFloat16(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	on := emulatedGPU(t, cuda.BF16, false)
	c := opened(t, on)
	g, err := newGraphPath(c.model, on, c.in)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := newStepper(g, on)
	if err != nil {
		t.Fatal(err)
	}
	n := make(numbers)
	if err := g.train(still{steps.(*deviceSteps)}, c.in, n); err != nil {
		t.Fatal(err)
	}
	delete(n, "gnorms") // it hardly changes
	if names := failed(t, c, n); len(names) != len(n) {
		t.Errorf("of %d tensors these fail: %v", len(n), names)
	}
}
