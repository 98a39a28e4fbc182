package vm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
	"trainer/internal/vm"
	"trainer/internal/vm/vmtest"
)

// programs are graphs of several kinds, compiled.
func programs(t *testing.T) map[string]*vm.Program {
	t.Helper()
	all := make(map[string]*vm.Program)
	for blocks := range 4 {
		m := vmtest.NewTransformer(blocks, 7, 2, 12)
		all[fmt.Sprintf("training %d blocks", blocks)] = compile(t, m.Outputs()...)
		all[fmt.Sprintf("training with recomputation, %d blocks", blocks)] = vm.Recompute(compile(t, m.Outputs()...), m.Residual...)
		all[fmt.Sprintf("inference %d blocks", blocks)] = compile(t, m.Logits)
	}
	g := gorgonia.NewGraph()
	x := matrix(g, "x", 3, 5)
	all["a chain"] = compile(t, chain(t, x, 6))
	all["a fan"] = compile(t, fan(t, x, 5))
	return all
}

func compile(t *testing.T, outputs ...*gorgonia.Node) *vm.Program {
	t.Helper()
	p, err := vm.Compile(outputs...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func matrix(g *gorgonia.ExprGraph, name string, rows, cols int) *gorgonia.Node {
	return gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(rows, cols), gorgonia.WithName(name))
}

func apply(t *testing.T, k op.Kernel, in ...*gorgonia.Node) *gorgonia.Node {
	t.Helper()
	n, err := op.Apply(k, in...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// chain applies GELU n times.
func chain(t *testing.T, x *gorgonia.Node, n int) *gorgonia.Node {
	for range n {
		x = apply(t, op.GELU{}, x)
	}
	return x
}

// fan makes n products of one value, of growing sizes, before it reads the first of them.
func fan(t *testing.T, x *gorgonia.Node, n int) *gorgonia.Node {
	h := apply(t, op.GELU{}, x)
	var products gorgonia.Nodes
	for i := range n {
		products = append(products, apply(t, op.MatMul{}, h, matrix(x.Graph(), fmt.Sprint("w", i), x.Shape()[1], 4+i)))
	}
	sum := apply(t, op.MatMul{TransA: true}, products[0], products[0])
	for i, p := range products[1:] {
		square := apply(t, op.MatMul{TransA: true}, p, p)
		sum = apply(t, op.MatMul{}, sum, apply(t, op.Gather{}, square, gorgonia.NewVector(x.Graph(), tensor.Int32,
			gorgonia.WithShape(sum.Shape()[1]), gorgonia.WithName(fmt.Sprint("ids", i)))))
	}
	return sum
}

func TestInstructionsRunBehindWhatTheyRead(t *testing.T) {
	for name, p := range programs(t) {
		written := make([]bool, len(p.Values))
		for i, v := range p.Values {
			written[i] = v.Place == vm.Input || v.Place == vm.Constant
		}
		for i, in := range p.Instructions {
			for _, v := range in.In {
				if !written[v] {
					t.Errorf("%s: instruction %d, %#v, reads value %d before it is written", name, i, in.Kernel, v)
				}
			}
			for _, v := range in.Out {
				if written[v] {
					t.Errorf("%s: instruction %d, %#v, writes value %d, which is written already", name, i, in.Kernel, v)
				}
				written[v] = true
			}
		}
	}
}

// Every instruction is played on a memory that remembers for each byte which value was written to it last: what an
// instruction reads must be there in full. It sees every overlap of values that live together.
func TestNoValueIsOverwrittenWhileItIsNeeded(t *testing.T) {
	for name, p := range programs(t) {
		plan := vm.NewPlan(p)
		owner := map[vm.Place][]int{vm.Arena: make([]int, plan.ArenaSize), vm.Output: make([]int, plan.OutputSize)}
		bytes := func(v int) []int {
			value := &p.Values[v]
			if value.Place == vm.Input || value.Place == vm.Constant {
				return nil
			}
			return owner[value.Place][plan.Offset[v] : plan.Offset[v]+value.Size()]
		}
		check := func(when string, v int) {
			for _, o := range bytes(v) {
				if o != v {
					t.Fatalf("%s: %s, value %d (%v) is overwritten by %d (%v)\n%v", name, when, v, &p.Values[v], o, &p.Values[o], p)
				}
			}
		}
		for i, in := range p.Instructions {
			for _, v := range in.In {
				check(fmt.Sprintf("when instruction %d reads", i), v)
			}
			for _, v := range in.Out {
				for j, input := range in.In {
					if overlap(p, plan, v, input) && !(slices.Contains(in.Overwrites, j) && plan.Offset[v] == plan.Offset[input]) {
						t.Errorf("%s: instruction %d, %#v, writes value %d over its input %d", name, i, in.Kernel, v, j)
					}
				}
				for k := range bytes(v) {
					bytes(v)[k] = v
				}
			}
			for _, v := range in.Out {
				check(fmt.Sprintf("behind instruction %d", i), v)
			}
		}
		for _, v := range p.Outputs {
			check("at the end", v)
		}
	}
}

func overlap(p *vm.Program, plan *vm.Plan, i, j int) bool {
	a, b := &p.Values[i], &p.Values[j]
	return a.Place == b.Place && (a.Place == vm.Arena || a.Place == vm.Output) &&
		plan.Offset[i] < plan.Offset[j]+b.Size() && plan.Offset[j] < plan.Offset[i]+a.Size()
}

func TestOutputsAreContiguousInOrderAndEverythingIsAligned(t *testing.T) {
	for name, p := range programs(t) {
		plan, end := vm.NewPlan(p), 0
		for _, i := range p.Outputs {
			v := &p.Values[i]
			if v.Place != vm.Output || plan.Offset[i] != end {
				t.Errorf("%s: output %d, %v, is at %d, expected output+%d", name, i, v, plan.Offset[i], end)
			}
			end += vm.Align(v.Size())
		}
		if end != plan.OutputSize {
			t.Errorf("%s: outputs end at %d of %d bytes", name, end, plan.OutputSize)
		}
		for i, offset := range plan.Offset {
			if offset%vm.Alignment != 0 {
				t.Errorf("%s: value %d is at %d, expected a multiple of %d", name, i, offset, vm.Alignment)
			}
		}
	}
}

// No arena is smaller than what lives at one time. The planner reaches that on transformers; graphs of a few values of odd sizes leave
// gaps of up to a third.
func TestArenaIsNearTheLeastPossible(t *testing.T) {
	for name, p := range programs(t) {
		plan := vm.NewPlan(p)
		first, last := make([]int, len(p.Values)), make([]int, len(p.Values))
		for t, in := range p.Instructions {
			for _, v := range in.Out {
				first[v], last[v] = t, t
			}
			for _, v := range in.In {
				last[v] = t
			}
		}
		least, sum := 0, 0
		for t := range p.Instructions {
			live := make(map[int]int) // by offset: values in place of each other count once
			for i := range p.Values {
				if v := &p.Values[i]; v.Place == vm.Arena && first[i] <= t && t <= last[i] {
					live[plan.Offset[i]] = vm.Align(v.Size())
				}
			}
			total := 0
			for _, size := range live {
				total += size
			}
			least = max(least, total)
		}
		for i := range p.Values {
			if v := &p.Values[i]; v.Place == vm.Arena {
				sum += vm.Align(v.Size())
			}
		}
		t.Logf("%s: arena %d, least %d, all temporaries %d", name, plan.ArenaSize, least, sum)
		limit := least
		if !strings.HasSuffix(name, "blocks") || strings.HasSuffix(name, " 0 blocks") {
			limit += least / 3
		}
		if plan.ArenaSize > limit {
			t.Errorf("%s: the arena has %d bytes where %d live together", name, plan.ArenaSize, least)
		}
	}
}

func TestAChainOfElementwiseOpsUsesOneBlock(t *testing.T) {
	x := matrix(gorgonia.NewGraph(), "x", 3, 5)
	p := compile(t, chain(t, x, 6))
	if got, want := vm.NewPlan(p).ArenaSize, vm.Align(3*5*4); got != want {
		t.Errorf("the arena has %d bytes, expected %d\n%v", got, want, p)
	}
}

func TestAnInputThatIsReadLaterIsNotOverwritten(t *testing.T) {
	x := matrix(gorgonia.NewGraph(), "x", 3, 5)
	a := apply(t, op.GELU{}, x)
	b := apply(t, op.GELU{}, a)
	p := compile(t, apply(t, op.SumRows{}, apply(t, op.MatMul{TransB: true}, a, b)))
	if overlap(p, vm.NewPlan(p), p.Index(a), p.Index(b)) {
		t.Errorf("a value that is read again is overwritten\n%v", p)
	}
	// An operand that is given twice is not overwritten either: not every kernel allows it for both.
	p = compile(t, apply(t, op.SumRows{}, apply(t, op.Add{}, a, a)))
	if overlap(p, vm.NewPlan(p), p.Index(a), p.Instructions[1].Out[0]) {
		t.Errorf("an input that is given twice is overwritten\n%v", p)
	}
}

func TestOnlyWhatTheOutputsNeedIsCompiled(t *testing.T) {
	m := vmtest.NewTransformer(1, 4, 3)
	inference, training := compile(t, m.Logits), compile(t, m.Outputs()...)
	if len(inference.Instructions) >= len(training.Instructions)/2 {
		t.Errorf("inference takes %d instructions, training %d", len(inference.Instructions), len(training.Instructions))
	}
	for _, in := range inference.Instructions {
		switch in.Kernel.(type) {
		case op.CrossEntropy, op.AttentionGrad, op.LayerNormGrad, op.GELUGrad, op.ScatterAdd, op.WeightedSum:
			t.Errorf("inference runs %#v", in.Kernel)
		}
	}
	for name, p := range programs(t) {
		used := make(map[int]bool)
		for _, v := range p.Outputs {
			used[v] = true
		}
		for _, in := range p.Instructions {
			for _, v := range in.In {
				used[v] = true
			}
		}
		for i, in := range p.Instructions {
			if !slices.ContainsFunc(in.Out, func(v int) bool { return used[v] }) {
				t.Errorf("%s: nobody reads instruction %d, %#v", name, i, in.Kernel)
			}
		}
	}
}

func TestPartsAndTheirGradientsAreNoInstructions(t *testing.T) {
	for name, p := range programs(t) {
		for _, in := range p.Instructions {
			switch in.Kernel.(type) {
			case op.Part, op.PartGrad:
				t.Errorf("%s runs %#v", name, in.Kernel)
			}
		}
	}
}

func TestCompileRefusesWhatNoBackendRuns(t *testing.T) {
	g := gorgonia.NewGraph()
	x, y := matrix(g, "x", 3, 5), matrix(g, "y", 3, 5)
	sum := apply(t, op.Add{}, x, y)
	double := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(3, 5), gorgonia.WithName("double"))
	logits, targets := matrix(g, "logits", 3, 5), gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(3), gorgonia.WithName("targets"))
	vector := gorgonia.NewVector(g, tensor.Float32, gorgonia.WithShape(8), gorgonia.WithName("v"))
	packed := apply(t, op.CrossEntropy{}, logits, targets)
	packedLength := packed.Shape()[0]
	for _, c := range []struct {
		name    string
		outputs gorgonia.Nodes
		want    []string
	}{
		{"a stock op", gorgonia.Nodes{gorgonia.Must(gorgonia.Tanh(sum))}, []string{"no backend runs the op", "tanh"}},
		{"an addition that broadcasts", gorgonia.Nodes{gorgonia.Must(gorgonia.Add(sum, gorgonia.NewConstant(float32(2))))},
			[]string{"no backend runs the op"}},
		{"an output given twice", gorgonia.Nodes{sum, sum}, []string{"given twice"}},
		{"an input as output", gorgonia.Nodes{sum, x}, []string{"an input of the graph", "x"}},
		{"float64", gorgonia.Nodes{apply(t, op.GELU{}, double)}, []string{"float64", "expected float32 or int32"}},
		{"packed results as output", gorgonia.Nodes{packed}, []string{"several results", "parts"}},
		{"packed results as operand", gorgonia.Nodes{apply(t, op.WeightedSum{}, packed, packed)}, []string{"several results", "parts"}},
		{"a part that is no result", gorgonia.Nodes{apply(t, op.Part{Rows: packedLength}, packed)}, []string{"none of the results"}},
		{"a part of an input", gorgonia.Nodes{apply(t, op.Part{Rows: 2}, vector)}, []string{"none of the results", "v"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := vm.Compile(c.outputs...)
			if err == nil {
				t.Fatalf("compiled to\n%v", p)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not say %q", err, want)
				}
			}
		})
	}
}

// cacheOf returns an input that can be a cache of keys and values, one head of each, and a way to append to it.
func cacheOf(t *testing.T, g *gorgonia.ExprGraph) (cache *gorgonia.Node, update func(*gorgonia.Node) *gorgonia.Node) {
	qkv, calls := matrix(g, "qkv", 3, 15), 0
	return matrix(g, "cache", 8, 5), func(state *gorgonia.Node) *gorgonia.Node {
		calls++
		at := gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(3), gorgonia.WithName(fmt.Sprint("at ", calls)))
		return apply(t, op.Append{Heads: 1, KVHeads: 1}, state, qkv, at)
	}
}

func TestStateLivesInTheMemoryOfItsInput(t *testing.T) {
	cache, update := cacheOf(t, gorgonia.NewGraph())
	first := update(cache)
	second := update(first)
	out := apply(t, op.GELU{}, second)
	p := compile(t, out)
	for _, n := range []*gorgonia.Node{first, second} {
		if v := p.Values[p.Index(n)]; v.Place != vm.Updated || v.State != p.Index(cache) {
			t.Errorf("the state %v is %v of value %d, expected the cache's, value %d", n, &v, v.State, p.Index(cache))
		}
	}
	b := &referenceBackend{}
	memory, err := b.Allocate(8 * 5 * 4)
	if err != nil {
		t.Fatal(err)
	}
	m, err := vm.New(p, vm.NewWorkspace(b), vm.State{Node: cache, Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []*gorgonia.Node{cache, first, second} {
		mark, got := []byte{byte(i + 1)}, make([]byte, 1)
		if err := memory.Write(mark); err != nil {
			t.Fatal(err)
		}
		if err := m.Memory(n).Read(got); err != nil || got[0] != mark[0] {
			t.Errorf("%v is not in the memory that was given", n)
		}
	}
	if plan := m.Plan(); plan.ArenaSize != 0 || plan.OutputSize != vm.Align(8*5*4) {
		t.Errorf("the arena has %d bytes and the outputs %d: state is in neither", plan.ArenaSize, plan.OutputSize)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := memory.Write([]byte{1}); err != nil {
		t.Errorf("closing the VM freed memory of the caller's: %v", err)
	}
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "4 bytes") || !strings.Contains(text, "(8, 5)") {
			t.Errorf("a state of 4 bytes: %q, expected a panic that says both sizes", text)
		}
	}()
	vm.New(p, vm.NewWorkspace(b), vm.State{Node: cache, Memory: memory.Slice(0, 4)})
}

// Whoever reads a value that is updated might see the old state or the new one, by the order of instructions.
func TestOnlyTheUpdateReadsWhatItUpdates(t *testing.T) {
	cache, update := cacheOf(t, gorgonia.NewGraph())
	state := update(cache)
	computed := update(apply(t, op.GELU{}, matrix(cache.Graph(), "x", 8, 5)))
	for _, c := range []struct {
		name    string
		outputs gorgonia.Nodes
		want    string
	}{
		{"an input that another node reads", gorgonia.Nodes{apply(t, op.Add{}, state, cache)}, "2 readers"},
		{"an input that is updated twice", gorgonia.Nodes{apply(t, op.Add{}, state, update(cache))}, "2 readers"},
		{"a state that is read and updated", gorgonia.Nodes{apply(t, op.GELU{}, state), apply(t, op.GELU{}, update(state))}, "2 readers"},
		{"what an instruction computed", gorgonia.Nodes{apply(t, op.GELU{}, computed)}, "expected an input"},
		{"a state as output", gorgonia.Nodes{state}, "the state of one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p, err := vm.Compile(c.outputs...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, expected %q in it; the program is\n%v", err, c.want, p)
			}
		})
	}
}

// Grad adds the constant 1 as the gradient of the loss, and stock additions of the gradients of a value that is used twice.
func TestStockOpsOfGradAreCompiled(t *testing.T) {
	g := gorgonia.NewGraph()
	x := matrix(g, "x", 3, 5)
	weights := gorgonia.NewVector(g, tensor.Float32, gorgonia.WithShape(3), gorgonia.WithName("weights"))
	targets := gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(3), gorgonia.WithName("targets"))
	nll, _, err := op.NegativeLogLikelihood(apply(t, op.MatMul{TransB: true}, x, x), targets)
	if err != nil {
		t.Fatal(err)
	}
	loss := apply(t, op.WeightedSum{}, nll, weights)
	grads, err := gorgonia.Grad(loss, x)
	if err != nil {
		t.Fatal(err)
	}
	p := compile(t, grads[0])
	if sum, ok := p.Instructions[len(p.Instructions)-1].Kernel.(op.Add); !ok {
		t.Errorf("the last instruction is %#v, expected the sum of two gradients", sum)
	}
	constants := 0
	for i := range p.Values {
		if p.Values[i].Place == vm.Constant {
			constants++
		}
	}
	if constants != 1 {
		t.Errorf("the program has %d constants, expected the gradient 1 of the loss", constants)
	}
}

func TestIndexFindsTheValuesOfNodes(t *testing.T) {
	m := vmtest.NewTransformer(1, 4, 3)
	p := compile(t, m.Outputs()...)
	for i, n := range m.Outputs() {
		if p.Index(n) != p.Outputs[i] {
			t.Errorf("output %v is value %d, Index says %d", n, p.Outputs[i], p.Index(n))
		}
	}
	if other := vmtest.NewTransformer(1, 4, 3); p.Index(other.Loss) != -1 {
		t.Errorf("a node of another graph is value %d", p.Index(other.Loss))
	}
}
