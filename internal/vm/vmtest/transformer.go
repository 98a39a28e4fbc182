package vmtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
)

// Transformer is the graph of a small language model with random weights and a random batch, all bound to values: learned and
// rotary positions, pre-norm blocks, an output head tied to the embeddings, and a masked cross-entropy over the rows that
// have a target.
type Transformer struct {
	Residual          gorgonia.Nodes // the residual stream ahead of the first block and behind each
	Logits, Loss, Hit *gorgonia.Node
	Params            gorgonia.Nodes
	Grads             gorgonia.Nodes // by parameter
}

// Outputs are the loss, the hits and the gradients: what a training step asks for.
func (m *Transformer) Outputs() []*gorgonia.Node {
	return append([]*gorgonia.Node{m.Loss, m.Hit}, m.Grads...)
}

const (
	vocabulary = 19
	heads      = 3
	headDim    = 6
	width      = heads * headDim
)

// NewTransformer builds a model with the given number of blocks for sequences of the given lengths. The same arguments give
// the same numbers.
func NewTransformer(blocks int, lengths ...int) *Transformer {
	b := &builder{g: gorgonia.NewGraph(), rng: rand.New(rand.NewPCG(5, 6)), model: &Transformer{}}
	offsets, positions := []int32{0}, []int32(nil)
	context := 0
	for _, n := range lengths {
		offsets = append(offsets, offsets[len(offsets)-1]+int32(n))
		for i := range n {
			positions = append(positions, int32(i))
		}
		context = max(context, n)
	}
	rows := len(positions)
	tokens, predicted, targets, weights := make([]int32, rows), []int32(nil), []int32(nil), []float32(nil)
	for i := range tokens {
		tokens[i] = int32(b.rng.IntN(vocabulary))
		if i%3 != 0 {
			predicted = append(predicted, int32(i))
			targets = append(targets, int32(b.rng.IntN(vocabulary)))
			weights = append(weights, 0.1+b.rng.Float32())
		}
	}
	targets[0] = -1
	at := b.bind("positions", dense(positions, rows))
	sequences := b.bind("offsets", dense(offsets, len(offsets)))
	table := b.param("embedding", vocabulary, width)
	x := b.apply(op.Add{}, b.apply(op.Gather{}, table, b.bind("tokens", dense(tokens, rows))),
		b.apply(op.Gather{}, b.param("position", context, width), at))
	m := b.model
	m.Residual = append(m.Residual, x)
	for i := range blocks {
		h := b.linear(fmt.Sprintf("qkv %d", i), b.norm(fmt.Sprintf("norm 1 %d", i), x), 3*width)
		h = b.apply(op.Rotary{Heads: heads, KVHeads: heads, Context: context, Base: 100}, h, at)
		if b.err == nil {
			h, b.err = op.CausalAttention(h, sequences, op.Attention{Heads: heads, KVHeads: heads, Context: context})
		}
		x = b.apply(op.Add{}, x, b.linear(fmt.Sprintf("project %d", i), h, width))
		h = b.linear(fmt.Sprintf("up %d", i), b.norm(fmt.Sprintf("norm 2 %d", i), x), 4*width)
		x = b.apply(op.Add{}, x, b.linear(fmt.Sprintf("down %d", i), b.apply(op.GELU{}, h), width))
		m.Residual = append(m.Residual, x)
	}
	x = b.apply(op.Gather{}, b.norm("norm", x), b.bind("predicted", dense(predicted, len(predicted))))
	m.Logits = b.apply(op.MatMul{TransB: true}, x, table)
	var nll *gorgonia.Node
	if b.err == nil {
		nll, m.Hit, b.err = op.NegativeLogLikelihood(m.Logits, b.bind("targets", dense(targets, len(targets))))
	}
	m.Loss = b.apply(op.WeightedSum{}, nll, b.bind("weights", dense(weights, len(weights))))
	if b.err == nil {
		m.Grads, b.err = gorgonia.Grad(m.Loss, m.Params...)
	}
	if b.err != nil {
		panic(b.err)
	}
	return m
}

// builder builds a graph; after the first error it does nothing.
type builder struct {
	g     *gorgonia.ExprGraph
	rng   *rand.Rand
	model *Transformer
	err   error
}

func (b *builder) apply(k op.Kernel, in ...*gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	var n *gorgonia.Node
	n, b.err = op.Apply(k, in...)
	return n
}

// bind adds an input with a value.
func (b *builder) bind(name string, v *tensor.Dense) *gorgonia.Node {
	return gorgonia.NewTensor(b.g, v.Dtype(), v.Dims(), gorgonia.WithShape(v.Shape()...), gorgonia.WithName(name), gorgonia.WithValue(v))
}

// param adds a parameter: a matrix that keeps the variance of activations, or a vector around 0.
func (b *builder) param(name string, shape ...int) *gorgonia.Node {
	data := make([]float32, tensor.Shape(shape).TotalSize())
	scale := 1 / math.Sqrt(float64(shape[0]))
	for i := range data {
		data[i] = float32(b.rng.NormFloat64() * scale)
	}
	n := b.bind(name, dense(data, shape...))
	b.model.Params = append(b.model.Params, n)
	return n
}

func (b *builder) linear(name string, x *gorgonia.Node, out int) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	w, bias := b.param(name+" weight", x.Shape()[1], out), b.param(name+" bias", out)
	return b.apply(op.MatMul{Bias: true}, x, w, bias)
}

func (b *builder) norm(name string, x *gorgonia.Node) *gorgonia.Node {
	return b.apply(op.LayerNorm{Epsilon: 1e-5}, x, b.param(name+" gamma", width), b.param(name+" beta", width))
}
