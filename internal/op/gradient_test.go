package op_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
)

// feeds makes the inputs of a test graph. The same seed gives the same numbers.
type feeds struct {
	rng *rand.Rand
	in  []*tensor.Dense
}

func newFeeds() *feeds { return &feeds{rng: rand.New(rand.NewPCG(1, 2))} }

// floats adds an input of standard normal numbers.
func (f *feeds) floats(shape ...int) *feeds {
	data := make([]float64, tensor.Shape(shape).TotalSize())
	for i := range data {
		data[i] = f.rng.NormFloat64()
	}
	f.in = append(f.in, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data)))
	return f
}

func (f *feeds) ints(data ...int32) *feeds {
	f.in = append(f.in, tensor.New(tensor.WithShape(len(data)), tensor.WithBacking(data)))
	return f
}

// nodes adds the inputs to a graph, named prefix and a number.
func (f *feeds) nodes(g *gorgonia.ExprGraph, prefix string) gorgonia.Nodes {
	nodes := make(gorgonia.Nodes, len(f.in))
	for i, v := range f.in {
		nodes[i] = gorgonia.NewTensor(g, v.Dtype(), v.Dims(), gorgonia.WithShape(v.Shape()...), gorgonia.WithValue(v),
			gorgonia.WithName(fmt.Sprintf("%s %d", prefix, i)))
	}
	return nodes
}

// lossOf contracts a matrix to a loss, to which every element contributes with a factor of its own. The last of several
// targets is masked, so that the elements of one row have no gradient.
func lossOf(f *feeds, y *gorgonia.Node) (*gorgonia.Node, error) {
	rows, classes := y.Shape()[0], 3
	targets := make([]int32, rows)
	for i := range targets {
		targets[i] = int32(i % classes)
	}
	if rows > 1 {
		targets[rows-1] = -1
	}
	constants := (&feeds{rng: f.rng}).floats(y.Shape()[1], classes).floats(rows).ints(targets...)
	head := constants.nodes(y.Graph(), "constant")
	logits, err := op.Linear(y, head[0], nil, false)
	if err != nil {
		return nil, err
	}
	nll, _, err := op.NegativeLogLikelihood(logits, head[2])
	if err != nil {
		return nil, err
	}
	return op.Apply(op.WeightedSum{}, nll, head[1])
}

// checkGradients compares the symbolic gradient of every float input, as Gorgonia's TapeMachine computes it, with central differences.
func checkGradients(t *testing.T, f *feeds, build func(in gorgonia.Nodes) (*gorgonia.Node, error)) {
	t.Helper()
	g := gorgonia.NewGraph()
	in := f.nodes(g, "input")
	y, err := build(in)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := lossOf(f, y)
	if err != nil {
		t.Fatal(err)
	}
	var wrt gorgonia.Nodes
	for _, n := range in {
		if n.Dtype() == tensor.Float64 {
			wrt = append(wrt, n)
		}
	}
	grads, err := gorgonia.Grad(loss, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	machine := gorgonia.NewTapeMachine(g)
	defer machine.Close()
	run := func() float64 {
		machine.Reset()
		if err := machine.RunAll(); err != nil {
			t.Fatal(err)
		}
		return loss.Value().Data().(float64)
	}
	run()
	symbolic := make([][]float64, len(wrt))
	for i, n := range grads {
		symbolic[i] = append(symbolic[i], n.Value().Data().([]float64)...)
	}
	// A step of 1e-5 leaves an error of about 1e-10 from the third derivative and as much from rounding.
	const step, tolerance = 1e-5, 1e-8
	for i, n := range wrt {
		data := n.Value().Data().([]float64)
		for j, x := range data {
			data[j] = x + step
			above := run()
			data[j] = x - step
			below := run()
			data[j] = x
			numeric := (above - below) / (2 * step)
			if got := symbolic[i][j]; math.Abs(got-numeric) > tolerance*(1+math.Abs(numeric)) {
				t.Errorf("gradient of %v, element %d of %v: %v, central difference %v", n.Name(), j, n.Shape(), got, numeric)
			}
		}
	}
}

// apply builds the node of one kernel.
func apply(k op.Kernel) func(in gorgonia.Nodes) (*gorgonia.Node, error) {
	return func(in gorgonia.Nodes) (*gorgonia.Node, error) { return op.Apply(k, in...) }
}

func TestMatMulGradientMatchesFiniteDifference(t *testing.T) {
	for _, size := range [][3]int{{1, 1, 1}, {3, 5, 2}, {1, 7, 3}, {5, 1, 2}} {
		for mask := range 8 {
			k := op.MatMul{TransA: mask&1 != 0, TransB: mask&2 != 0, Bias: mask&4 != 0}
			t.Run(fmt.Sprintf("%+v/%v", k, size), func(t *testing.T) {
				m, n, depth := size[0], size[1], size[2]
				a, b := []int{m, depth}, []int{depth, n}
				if k.TransA {
					a = []int{depth, m}
				}
				if k.TransB {
					b = []int{n, depth}
				}
				f := newFeeds().floats(a...).floats(b...)
				if k.Bias {
					f.floats(n)
				}
				checkGradients(t, f, apply(k))
			})
		}
	}
}

func TestElementwiseGradientsMatchFiniteDifference(t *testing.T) {
	for _, shape := range [][]int{{1, 1}, {3, 7}, {1, 5}, {5, 1}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			checkGradients(t, newFeeds().floats(shape...), apply(op.GELU{}))
			checkGradients(t, newFeeds().floats(shape...).floats(shape...), apply(op.Add{}))
		})
	}
}

func TestGatherGradientSumsRepeatedIDsAndSkipsNegativeOnes(t *testing.T) {
	checkGradients(t, newFeeds().floats(5, 3).ints(2, 0, 2, -1, 4, 2, 1), apply(op.Gather{}))
	checkGradients(t, newFeeds().floats(1, 1).ints(0), apply(op.Gather{}))
}

func TestLayerNormGradientMatchesFiniteDifference(t *testing.T) {
	for _, shape := range [][]int{{1, 2}, {3, 7}, {5, 1}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			checkGradients(t, newFeeds().floats(shape...).floats(shape[1]).floats(shape[1]), apply(op.LayerNorm{Epsilon: 1e-2}))
		})
	}
}

func TestRMSNormGradientMatchesFiniteDifference(t *testing.T) {
	for _, shape := range [][]int{{1, 2}, {3, 7}, {5, 1}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			checkGradients(t, newFeeds().floats(shape...).floats(shape[1]), apply(op.RMSNorm{Epsilon: 1e-2}))
		})
	}
}

func TestSwiGLUGradientMatchesFiniteDifference(t *testing.T) {
	for _, shape := range [][]int{{1, 2}, {3, 14}, {5, 2}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			checkGradients(t, newFeeds().floats(shape...), apply(op.SwiGLU{}))
		})
	}
}

func TestRotaryGradientMatchesFiniteDifference(t *testing.T) {
	for _, inverse := range []bool{false, true} {
		for _, kvHeads := range []int{3, 1} {
			k := op.Rotary{Heads: 3, KVHeads: kvHeads, Context: 8, Base: 100, Inverse: inverse}
			checkGradients(t, newFeeds().floats(4, (3+2*kvHeads)*4).ints(0, 7, 3, 0), apply(k))
		}
	}
}

func TestDropoutGradientMatchesFiniteDifference(t *testing.T) {
	for _, rate := range []float64{0, 0.3} {
		k := op.Dropout{Rate: rate, Salt: 2}
		checkGradients(t, newFeeds().floats(4, 7).ints(5, 6).ints(3, 0, 1, -1), apply(k))
	}
}

func TestAttentionGradientMatchesFiniteDifference(t *testing.T) {
	for _, c := range []struct {
		name                          string
		rows, heads, kvHeads, headDim int
		offsets                       []int32
	}{
		{"one token", 1, 1, 1, 1, []int32{0, 1}},
		{"one head", 5, 1, 1, 3, []int32{0, 5}},
		{"an empty sequence between others", 5, 2, 2, 3, []int32{0, 2, 2, 5}},
		{"padding rows", 7, 3, 3, 2, []int32{0, 1, 4, 4}},
		{"no sequence", 2, 1, 1, 2, []int32{0}},
		{"all heads share keys and values", 5, 3, 1, 2, []int32{0, 2, 5}},
		{"pairs of heads share keys and values", 6, 4, 2, 3, []int32{0, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkGradients(t, newFeeds().floats(c.rows, (c.heads+2*c.kvHeads)*c.headDim).ints(c.offsets...),
				func(in gorgonia.Nodes) (*gorgonia.Node, error) {
					return op.CausalAttention(in[0], in[1], op.Attention{Heads: c.heads, KVHeads: c.kvHeads, Context: 8})
				})
		})
	}
}

// Grouped heads are plain ones whose keys and values are alike.
func TestHeadsThatShareKeysComputeWhatCopiesOfTheKeysGive(t *testing.T) {
	const rows, dim = 5, 3
	grouped := newFeeds().floats(rows, 8*dim).ints(0, 2, 5)
	from := grouped.in[0].Data().([]float64)
	repeated := newFeeds().floats(rows, 12*dim).ints(0, 2, 5)
	to := repeated.in[0].Data().([]float64)
	heads := []int{0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7} // four of queries; keys and values of two, each for two of queries
	for i := range rows {
		for j, head := range heads {
			copy(to[(i*len(heads)+j)*dim:][:dim], from[(i*8+head)*dim:])
		}
	}
	out := func(f *feeds, kvHeads int) []float64 {
		v, err := op.Op{Kernel: op.Attention{Heads: 4, KVHeads: kvHeads, Context: 8}}.Do(f.in[0], f.in[1])
		if err != nil {
			t.Fatal(err)
		}
		return v.Data().([]float64)
	}
	if got, want := out(grouped, 2), out(repeated, 4); !slices.Equal(got, want) {
		t.Errorf("out and lse are %v, expected %v", got, want)
	}
}

// A value that is used k times gets the sum of k gradients, which Gorgonia adds with a stock op.
func TestGradientsOfSharedValuesAreSummed(t *testing.T) {
	t.Run("a matrix times its own transpose", func(t *testing.T) {
		checkGradients(t, newFeeds().floats(3, 2), func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			return op.Apply(op.MatMul{TransB: true}, in[0], in[0])
		})
	})
	t.Run("a value added to itself", func(t *testing.T) {
		checkGradients(t, newFeeds().floats(3, 2), func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			return op.Apply(op.Add{}, in[0], in[0])
		})
	})
	t.Run("two residual connections and a tied table", func(t *testing.T) {
		checkGradients(t, newFeeds().floats(5, 4).ints(1, 0, 4).floats(4, 4), func(in gorgonia.Nodes) (*gorgonia.Node, error) {
			x, err := op.Apply(op.Gather{}, in[0], in[1])
			for range 2 {
				if err != nil {
					return nil, err
				}
				var h *gorgonia.Node
				if h, err = op.Linear(x, in[2], nil, false); err != nil {
					return nil, err
				}
				if h, err = op.Apply(op.GELU{}, h); err != nil {
					return nil, err
				}
				x, err = op.Apply(op.Add{}, x, h)
			}
			if err != nil {
				return nil, err
			}
			return op.Linear(x, in[0], nil, true)
		})
	})
}
