package cuda_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/internal/cuda/kernels"
	"trainer/internal/op"
	"trainer/internal/vm"
	"trainer/model"
)

// trainingProgram is a training step of a model.
func trainingProgram(t *testing.T, c model.Config) *vm.Program {
	t.Helper()
	g, err := newModel(t, c).Graph(model.Shape{Rows: 32, Sequences: 3, Predictions: 16, Dropout: c.Dropout > 0})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := g.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	p, err := vm.Compile(append(outputs, g.Loss, g.NLL, g.Hits)...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// counts counts the instructions of a program by the type of their kernels.
func counts(p *vm.Program) map[string]int {
	n := make(map[string]int)
	for _, in := range p.Instructions {
		n[fmt.Sprintf("%T", in.Kernel)]++
	}
	return n
}

func TestATrainingStepIsFused(t *testing.T) {
	p := trainingProgram(t, configs()[0])
	// The one addition left is that of the two embeddings.
	want := map[string]int{
		"op.Gather": 4, "op.Add": 1, "op.LayerNorm": 5, "op.Attention": 2, "op.Scale": 1, "op.WeightedSum": 1, "op.AttentionGrad": 2,
		"op.ScatterAdd": 4, "op.SumRows": 8, "cuda.product": 27, "cuda.normGrad": 5, "cuda.crossEntropyWithGrad": 1,
	}
	for _, precision := range []cuda.Precision{cuda.F32, cuda.BF16} {
		b := open(t, emulated.Options{}, cuda.Options{Precision: precision})
		defer b.Close()
		if got := counts(b.Rewrite(p)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the step is\n%v\nexpected\n%v", got, want)
		}
	}
}

// Dropout adds to the residual stream in the place of the product before it, and rounds gradients for the products behind it.
func TestDropoutIsFusedWithTheResidualSum(t *testing.T) {
	c := configs()[0]
	c.Dropout = 0.1
	p := trainingProgram(t, c)
	want := map[string]int{
		"op.Gather": 4, "op.Add": 1, "op.LayerNorm": 5, "op.Attention": 2, "op.Scale": 1, "op.WeightedSum": 1, "op.AttentionGrad": 2,
		"op.ScatterAdd": 4, "op.SumRows": 8, "cuda.product": 27, "cuda.normGrad": 5, "cuda.crossEntropyWithGrad": 1,
		"cuda.dropout": 10, // of two blocks with two branches and of the embeddings, forward and back
	}
	for _, precision := range []cuda.Precision{cuda.F32, cuda.BF16} {
		b := open(t, emulated.Options{}, cuda.Options{Precision: precision})
		defer b.Close()
		q := b.Rewrite(p)
		if got := counts(q); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the step is\n%v\nexpected\n%v", got, want)
		}
		narrow := 0
		for _, in := range q.Instructions {
			if fmt.Sprintf("%T", in.Kernel) == "cuda.dropout" && q.Values[in.Out[0]].Type == vm.BFloat16 {
				narrow++
			}
		}
		if precision == cuda.BF16 && narrow != 5 || precision == cuda.F32 && narrow != 0 {
			t.Errorf("precision %v: %d dropouts write bfloat16, expected the gradients of four branches and of the embeddings in BF16\n%v",
				precision, narrow, q)
		}
	}
}

// The gradients on both ways around a norm meet in the norm's, and SwiGLU is narrow between its products.
func TestAStepOfALlamaIsFusedAndNarrow(t *testing.T) {
	p := trainingProgram(t, configs()[2])
	want := map[string]int{
		"op.Gather": 3, "op.RMSNorm": 5, "op.Rotary": 4, "op.Attention": 2, "op.SwiGLU": 2, "op.Scale": 1, "op.WeightedSum": 1,
		"op.AttentionGrad": 2, "op.SwiGLUGrad": 2, "op.ScatterAdd": 3, "cuda.product": 27, "cuda.normGrad": 5, "cuda.crossEntropyWithGrad": 1,
	}
	for _, precision := range []cuda.Precision{cuda.F32, cuda.BF16} {
		b := open(t, emulated.Options{}, cuda.Options{Precision: precision})
		defer b.Close()
		q := b.Rewrite(p)
		if got := counts(q); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the step is\n%v\nexpected\n%v", got, want)
		}
		for _, in := range q.Instructions {
			switch in.Kernel.(type) {
			case op.SwiGLU, op.SwiGLUGrad, op.Rotary:
				if value := &q.Values[in.Out[0]]; (value.Type == vm.BFloat16) != (precision == cuda.BF16) {
					t.Errorf("precision %v: %#v writes %v", precision, in.Kernel, value)
				}
			}
		}
	}
}

// What stays in float32 is the residual stream with its gradient, sums over rows, and what is asked for.
func TestProductsAndAttentionReadAndWriteBFloat16(t *testing.T) {
	b := open(t, emulated.Options{}, cuda.Options{Precision: cuda.BF16})
	defer b.Close()
	p := b.Rewrite(trainingProgram(t, configs()[0]))
	residual := 0
	for i, in := range p.Instructions {
		narrow := in.In[:0:0]
		switch name := fmt.Sprintf("%T", in.Kernel); name {
		case "cuda.product":
			narrow = in.In[:2]
		case "op.Attention":
			narrow = []int{in.In[0], in.Out[0]}
		case "op.AttentionGrad":
			narrow = []int{in.In[0], in.In[1], in.In[3], in.Out[0]}
		case "cuda.crossEntropyWithGrad":
			narrow = []int{in.In[0], in.Out[0]}
		case "op.LayerNorm":
			narrow = in.Out
		case "op.SumRows":
			narrow = in.In
		}
		for _, v := range narrow {
			if p.Values[v].Type != vm.BFloat16 {
				t.Errorf("instruction %d, %#v: operand %v", i, in.Kernel, &p.Values[v])
			}
		}
		for _, v := range in.Out {
			if value := &p.Values[v]; value.Place == vm.Arena && value.Type == vm.Float32 && value.Shape.Dims() == 2 {
				residual++
			}
		}
	}
	// Token and position embeddings, their sum, two blocks with two additions each, and the rows that are wanted, going forward and back;
	// the gradient of the token embeddings by their use as such.
	if want := 3 + 4 + 1 + 5 + 1 + 1; residual != want {
		t.Errorf("%d matrices are kept in float32, expected %d\n%v", residual, want, p)
	}
	if arena, wide := vm.NewPlan(p).ArenaSize, vm.NewPlan(trainingProgram(t, configs()[0])).ArenaSize; arena > wide*6/10 {
		t.Errorf("the arena has %d bytes, in float32 %d", arena, wide)
	}
}

func TestRowsInBFloat16LieAsTheKernelsHaveThem(t *testing.T) {
	for columns := 1; columns < 40; columns++ {
		v := vm.Value{Shape: tensor.Shape{3, columns}, Type: vm.BFloat16}
		if v.Pitch() != kernels.PitchBF16(columns) {
			t.Errorf("rows of %d lie %d apart, the kernels have %d", columns, v.Pitch(), kernels.PitchBF16(columns))
		}
	}
}

// awkward are graphs in which ops look as if they could be put together, and cannot, or not all of them.
var awkward = map[string]func(g *graph) gorgonia.Nodes{
	"a product that is asked for and passed on": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6))
		return gorgonia.Nodes{p, g.apply(op.GELU{}, p), g.apply(op.Add{}, p, g.matrix(5, 6))}
	},
	"a product that is read twice": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6))
		return gorgonia.Nodes{g.apply(op.Add{}, p, g.apply(op.GELU{}, p))}
	},
	"GELU of a product that nobody else reads": func(g *graph) gorgonia.Nodes {
		return gorgonia.Nodes{g.apply(op.GELU{}, g.apply(op.MatMul{Bias: true}, g.matrix(5, 7), g.matrix(7, 6), g.vector(6)))}
	},
	"a sum of two products": func(g *graph) gorgonia.Nodes {
		p, q := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6)), g.apply(op.MatMul{}, g.matrix(5, 3), g.matrix(3, 6))
		return gorgonia.Nodes{g.apply(op.Add{}, p, q)}
	},
	"a sum of a product and itself": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6))
		return gorgonia.Nodes{g.apply(op.Add{}, p, p)}
	},
	"two additions to one product": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6))
		return gorgonia.Nodes{g.apply(op.Add{}, g.apply(op.Add{}, p, g.matrix(5, 6)), g.matrix(5, 6))}
	},
	"dropout of a product, added twice": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6))
		d := g.apply(op.Dropout{Rate: 0.3}, p, g.ints(1, 2), g.ints(3, 1, 4, 1, 5))
		return gorgonia.Nodes{g.apply(op.Add{}, g.apply(op.Add{}, g.matrix(5, 6), d), g.matrix(5, 6))}
	},
	"dropout that is asked for and added": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6))
		d := g.apply(op.Dropout{Rate: 0.3}, p, g.ints(1, 2), g.ints(3, 1, 4, 1, 5))
		return gorgonia.Nodes{d, g.apply(op.Add{}, d, g.matrix(5, 6))}
	},
	"a sum of two dropouts of one product": func(g *graph) gorgonia.Nodes {
		p, key, rows := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6)), g.ints(1, 2), g.ints(3, 1, 4, 1, 5)
		return gorgonia.Nodes{g.apply(op.Add{}, g.apply(op.Dropout{Rate: 0.3}, p, key, rows), g.apply(op.Dropout{Rate: 0.3, Salt: 1}, p, key, rows))}
	},
	"GELU of a product with an addend": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{}, g.matrix(5, 7), g.matrix(7, 6))
		return gorgonia.Nodes{g.apply(op.GELU{}, g.apply(op.Add{}, p, g.matrix(5, 6)))}
	},
	"an addend that dies, of which another is the result": func(g *graph) gorgonia.Nodes {
		x := g.apply(op.GELU{}, g.matrix(5, 6))
		return gorgonia.Nodes{g.apply(op.GELU{}, g.apply(op.Add{}, x, g.apply(op.MatMul{}, x, g.matrix(6, 6))))}
	},
	"GELU's gradient by a product with a bias": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{Bias: true}, g.matrix(5, 7), g.matrix(7, 6), g.vector(6))
		return gorgonia.Nodes{g.apply(op.GELUGrad{}, g.matrix(5, 6), p)}
	},
	"attention over what is given": func(g *graph) gorgonia.Nodes {
		out, err := op.CausalAttention(g.matrix(6, 3*8), g.ints(0, 4, 6), op.Attention{Heads: 2, KVHeads: 2, Context: 5})
		g.check(err)
		return gorgonia.Nodes{g.apply(op.MatMul{}, out, g.matrix(8, 5))}
	},
	"attention that is asked for": func(g *graph) gorgonia.Nodes {
		qkv := g.apply(op.MatMul{}, g.matrix(6, 4), g.matrix(4, 3*8))
		out, err := op.CausalAttention(qkv, g.ints(0, 4, 6), op.Attention{Heads: 2, KVHeads: 2, Context: 5})
		g.check(err)
		return gorgonia.Nodes{out, g.apply(op.MatMul{}, out, g.matrix(8, 5))}
	},
	"rows of a product that are wanted in float32": func(g *graph) gorgonia.Nodes {
		p := g.apply(op.MatMul{}, g.matrix(6, 4), g.matrix(4, 9))
		return gorgonia.Nodes{g.apply(op.Gather{}, p, g.ints(3, -1, 0)), g.apply(op.MatMul{TransA: true}, p, g.matrix(6, 2))}
	},
	"a gradient of the loss that depends on the loss": func(g *graph) gorgonia.Nodes {
		logits, targets, weights := g.apply(op.MatMul{}, g.matrix(4, 5), g.matrix(5, 7)), g.ints(1, -1, 6, 0), g.vector(4)
		all := g.apply(op.CrossEntropy{}, logits, targets)
		parts := op.Results(op.CrossEntropy{}, []tensor.Shape{logits.Shape()})
		nll, lse := g.apply(parts[0], all), g.apply(parts[1], all)
		dnll := g.apply(op.Scale{}, weights, g.apply(op.WeightedSum{}, nll, weights))
		return gorgonia.Nodes{g.apply(op.CrossEntropyGrad{}, logits, lse, dnll, targets)}
	},
}

// graph is a graph whose inputs have values.
type graph struct {
	*gorgonia.ExprGraph
	t      *testing.T
	inputs int
	feed   map[*gorgonia.Node][]byte
}

func (g *graph) check(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *graph) apply(k op.Kernel, in ...*gorgonia.Node) *gorgonia.Node {
	g.t.Helper()
	n, err := op.Apply(k, in...)
	g.check(err)
	return n
}

func (g *graph) input(of tensor.Dtype, data []byte, shape ...int) *gorgonia.Node {
	g.inputs++
	n := gorgonia.NewTensor(g.ExprGraph, of, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(fmt.Sprint("input ", g.inputs)))
	g.feed[n] = data
	return n
}

func (g *graph) matrix(rows, columns int) *gorgonia.Node {
	return g.input(tensor.Float32, vm.Bytes(numbers(rows*columns, g.inputs)), rows, columns)
}

func (g *graph) vector(n int) *gorgonia.Node {
	return g.input(tensor.Float32, vm.Bytes(numbers(n, g.inputs)), n)
}

func (g *graph) ints(data ...int32) *gorgonia.Node {
	return g.input(tensor.Int32, vm.Bytes(data), len(data))
}

// run computes the outputs on a backend.
func (g *graph) run(b vm.Backend, outputs gorgonia.Nodes) [][]float32 {
	g.t.Helper()
	p, err := vm.Compile(outputs...)
	g.check(err)
	m, err := vm.New(p, vm.NewWorkspace(b))
	g.check(err)
	for n, data := range g.feed {
		g.check(m.Memory(n).Write(data))
	}
	g.check(m.RunAll())
	var results [][]float32
	for _, n := range outputs {
		host := make([]byte, m.Memory(n).Size())
		g.check(m.Memory(n).Read(host))
		results = append(results, vm.Float32s(host))
	}
	return results
}

func TestAwkwardGraphsComputeWhatTheyDoOnTheCPU(t *testing.T) {
	host := cpu.New(1, kernel.Best())
	defer host.Close()
	for precision, limit := range map[cuda.Precision]float64{cuda.F32: 1e-5, cuda.BF16: 0.02} {
		for _, vendor := range []bool{false, true} {
			b := open(t, emulated.Options{MatMul: vendor, IgnoreRaces: true}, cuda.Options{Precision: precision})
			defer b.Close()
			for name, build := range awkward {
				g := &graph{ExprGraph: gorgonia.NewGraph(), t: t, feed: make(map[*gorgonia.Node][]byte)}
				outputs := build(g)
				want := g.run(host, outputs)
				for i, got := range g.run(b, outputs) {
					if d := distance(got, want[i]); d > limit {
						t.Errorf("%s, precision %d, library %v: output %d is off by %.2g of its size", name, precision, vendor, i, d)
					}
				}
			}
		}
	}
}

// The order may change, but nothing is read before it is written.
func TestRewrittenInstructionsRunBehindWhatTheyRead(t *testing.T) {
	b := open(t, emulated.Options{}, cuda.Options{Precision: cuda.BF16})
	defer b.Close()
	original := trainingProgram(t, configs()[0])
	p := b.Rewrite(original)
	if !slices.Equal(p.Outputs, original.Outputs) {
		t.Errorf("the outputs are %v, before %v", p.Outputs, original.Outputs)
	}
	written := make([]bool, len(p.Values))
	for i, v := range p.Values {
		written[i] = v.Place == vm.Input || v.Place == vm.Constant
		if strings.HasSuffix(v.String(), "nowhere") && slices.Contains(p.Outputs, i) {
			t.Errorf("output %d is nowhere", i)
		}
	}
	for i, in := range p.Instructions {
		for _, v := range in.In {
			if !written[v] {
				t.Errorf("instruction %d, %#v, reads value %d before it is written", i, in.Kernel, v)
			}
		}
		for _, v := range in.Out {
			if written[v] {
				t.Errorf("instruction %d, %#v, writes value %d, which is written already", i, in.Kernel, v)
			}
			written[v] = true
		}
	}
	for _, v := range p.Outputs {
		if !written[v] {
			t.Errorf("output %d is never written", v)
		}
	}
}
