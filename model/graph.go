package model

import (
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
)

// Shape is the shape of a batch. A graph is built for one shape; values of -1 or weight 0 fill what a batch leaves free.
type Shape struct {
	Rows        int // N: tokens of all sequences, packed end to end
	Sequences   int // S
	Predictions int // R: rows that a prediction is wanted of; 0 means all rows

	Dropout bool // activations fall, a share Config.Dropout of them
	Places  int  // L: of the cache where the batch goes on from what is in it; 0 means that sequences are whole
}

// predictions is the number of rows of the logits.
func (s Shape) predictions() int {
	if s.Predictions == 0 {
		return s.Rows
	}
	return s.Predictions
}

// Graph is the transformer as a Gorgonia expression graph: the inputs that a batch fills, and what is computed from them.
type Graph struct {
	Shape      Shape
	Parameters gorgonia.Nodes // as Model.Parameters, bound to the model's weights

	Tokens    *gorgonia.Node // [N] int32 token ids, -1 in rows of no sequence
	Positions *gorgonia.Node // [N] int32 position in the sequence; unused rows 0
	Offsets   *gorgonia.Node // [S+1] int32: sequence s is rows Offsets[s] to Offsets[s+1]
	Wanted    *gorgonia.Node // [R] int32 rows to predict from, -1 where unused; nil when Shape.Predictions is 0
	Targets   *gorgonia.Node // [R] int32 the right next token, -1 where there is none
	Weights   *gorgonia.Node // [R] float32 weight of each prediction in the loss

	// What decides which activations fall; nil unless Shape.Dropout.
	DropoutKey    *gorgonia.Node // [2] int32 key of the step
	DropoutRows   *gorgonia.Node // [N] int32 number of each row, 0 in rows of no sequence
	DropoutWanted *gorgonia.Node // [R] int32 numbers of the rows that are wanted; nil where Wanted is

	// The cache of keys and values; none when Shape.Places is 0.
	Caches          gorgonia.Nodes // of each layer [2·KVHeads·L, D] its keys and values so far, see op.Append
	At              *gorgonia.Node // [N] int32 place of each row's keys and values, -1 in unused rows
	Starts, Lengths *gorgonia.Node // [S] int32 first place of each sequence, and how many of its tokens are in the cache behind this batch

	Residual gorgonia.Nodes // [N, C] the residual stream ahead of the first block and behind each; behind the last [R, C]

	taps []tap // what Executor.Trace can read

	Logits *gorgonia.Node // [R, V]
	NLL    *gorgonia.Node // [R] -log of the probability of the target; 0 where there is none
	Hits   *gorgonia.Node // [R] 1 where the target is the likeliest token
	Loss   *gorgonia.Node // scalar Σ Weights·NLL
}

// builder adds nodes to a graph until the first error, which it keeps.
type builder struct {
	*variant
	model *Model
	graph *Graph
	nodes map[string]*gorgonia.Node // parameters by name
	drops uint32                    // dropouts so far
	rows  tapRows                   // of what is built now
	err   error
}

// Graph builds the graph for one batch shape.
//
// It is GPT-2 (Radford et al. 2019) or Llama (Touvron et al. 2023) with packed sequences: pre-norm blocks x + Attention(norm(x)) and
// x + MLP(norm(x)), a final norm, and an output layer. From the last attention on, only the rows that a prediction is wanted of are computed.
// With Shape.Dropout activations fall where GPT-2 has it, behind the sum of the embeddings and on each branch ahead of its sum; weights of
// attention do not fall.
// With a cache the rows are the latest tokens of sequences, which attend to the keys and values of earlier runs, too.
func (m *Model) Graph(s Shape) (*Graph, error) {
	c := m.Config
	e := gorgonia.NewGraph(gorgonia.WithGraphName("gpt"))
	ints := func(name string, n int) *gorgonia.Node {
		return gorgonia.NewVector(e, tensor.Int32, gorgonia.WithShape(n), gorgonia.WithName(name))
	}
	g := &Graph{Shape: s, Tokens: ints("tokens", s.Rows), Positions: ints("positions", s.Rows), Offsets: ints("offsets", s.Sequences+1)}
	if s.Predictions > 0 {
		g.Wanted = ints("wanted", s.Predictions)
	}
	g.Targets = ints("targets", s.predictions())
	g.Weights = gorgonia.NewVector(e, tensor.Float32, gorgonia.WithShape(s.predictions()), gorgonia.WithName("weights"))
	if s.Dropout {
		g.DropoutKey, g.DropoutRows = ints("dropout key", 2), ints("dropout rows", s.Rows)
		if g.Wanted != nil {
			g.DropoutWanted = ints("dropout wanted", s.Predictions)
		}
	}

	if s.Places > 0 {
		g.At, g.Starts, g.Lengths = ints("at", s.Rows), ints("starts", s.Sequences), ints("lengths", s.Sequences)
		for l := range c.Layers {
			g.Caches = append(g.Caches, valueNode(e, fmt.Sprintf("cache %d", l), []int{c.cacheRows(s.Places), c.HeadDim()}, nil))
		}
	}

	b := m.builder(e, g)
	x := b.tap("embeddings", b.apply(op.Gather{}, b.node(b.embedding+".weight"), g.Tokens))
	if c.Positions != Rotary {
		x = b.apply(op.Add{}, x, b.tap("positions", b.apply(op.Gather{}, b.node(wpe), g.Positions)))
	}
	numbers := g.DropoutRows
	x = b.tap("input", b.drop(x, numbers))
	g.Residual = append(g.Residual, x)
	for l := range c.Layers {
		h, block := b.layerName(l), blockTap(l)
		a := b.attention(l, b.tap(block+"attention/norm", b.norm(h+b.attentionNorm, x)), g)
		if l == c.Layers-1 {
			a, x = b.pick(a, g.Wanted), b.pick(x, g.Wanted)
			b.rows = rowsWanted
			if g.DropoutWanted != nil {
				numbers = g.DropoutWanted
			}
		}
		x = b.apply(op.Add{}, x, b.tap(block+"attention/out", b.drop(b.linear(h+b.attentionOut, a), numbers)))
		b.tap(block+"attention/residual", x)
		x = b.apply(op.Add{}, x, b.tap(block+"mlp/out", b.drop(b.mlp(l, b.tap(block+"mlp/norm", b.norm(h+b.mlpNorm, x))), numbers)))
		g.Residual = append(g.Residual, b.tap(block+"residual", x))
	}
	g.Logits = b.tap("logits", b.logits(b.tap("norm", b.norm(b.finalNorm, x))))
	b.loss(g)
	return g, b.err
}

// builder returns a builder of a graph g in e, which has the parameters already.
func (m *Model) builder(e *gorgonia.ExprGraph, g *Graph) *builder {
	b := &builder{variant: m.Config.variant(), model: m, graph: g, nodes: make(map[string]*gorgonia.Node)}
	for i := range m.Parameters {
		p := &m.Parameters[i]
		n := valueNode(e, p.Name, p.Shape, p.Value)
		g.Parameters = append(g.Parameters, n)
		b.nodes[p.Name] = n
	}
	if m.Config.Positions == Sinusoidal {
		b.nodes[wpe] = valueNode(e, wpe, []int{m.Config.Context, m.Config.Width}, m.fixed)
	}
	return b
}

// unembedding builds the end of the graph alone: Logits [rows, V] of a Residual [rows, C] that the caller writes.
func (m *Model) unembedding(rows int) (*Graph, error) {
	e := gorgonia.NewGraph(gorgonia.WithGraphName("unembedding"))
	x := gorgonia.NewMatrix(e, tensor.Float32, gorgonia.WithShape(rows, m.Config.Width), gorgonia.WithName(TapInput))
	g := &Graph{Shape: Shape{Rows: rows}, Residual: gorgonia.Nodes{x}}
	b := m.builder(e, g)
	g.Logits = b.logits(b.norm(b.finalNorm, x))
	return g, b.err
}

// inputs are the nodes that a batch fills, in the order of inputs.data; nil where the shape has no such.
func (g *Graph) inputs() [inputCount]*gorgonia.Node {
	return [...]*gorgonia.Node{g.Tokens, g.Positions, g.Offsets, g.Wanted, g.Targets, g.Weights,
		g.DropoutKey, g.DropoutRows, g.DropoutWanted, g.At, g.Starts, g.Lengths}
}

// valueNode is a node bound to memory, or to none where a model is only sketched.
func valueNode(e *gorgonia.ExprGraph, name string, shape []int, data []float32) *gorgonia.Node {
	if data == nil {
		return gorgonia.NewTensor(e, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
	}
	value := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
	return gorgonia.NewTensor(e, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name), gorgonia.WithValue(value))
}

func (b *builder) node(name string) *gorgonia.Node {
	n, ok := b.nodes[name]
	if !ok {
		panic("model: no parameter " + name)
	}
	return n
}

func (b *builder) apply(k op.Kernel, in ...*gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	n, err := op.Apply(k, in...)
	b.err = err
	return n
}

// drop is dropout of x [N, C], whose rows have these numbers [N]; x itself in a graph without.
func (b *builder) drop(x, numbers *gorgonia.Node) *gorgonia.Node {
	if numbers == nil {
		return x
	}
	k := op.Dropout{Rate: b.model.Config.Dropout, Salt: b.drops}
	b.drops++
	return b.apply(k, x, b.graph.DropoutKey, numbers)
}

// norm is the layer norm or the RMS norm of x [N, C].
func (b *builder) norm(name string, x *gorgonia.Node) *gorgonia.Node {
	epsilon, weight := b.model.Config.Epsilon, b.node(name+".weight")
	if b.biases {
		return b.apply(op.LayerNorm{Epsilon: epsilon}, x, weight, b.node(name+".bias"))
	}
	return b.apply(op.RMSNorm{Epsilon: epsilon}, x, weight)
}

// linear is x·weight + bias [N, out] for x [N, in].
func (b *builder) linear(name string, x *gorgonia.Node) *gorgonia.Node {
	var bias *gorgonia.Node
	if b.biases {
		bias = b.node(name + ".bias")
	}
	return b.product(x, b.node(name+".weight"), bias, b.transposed)
}

// product is op.Linear.
func (b *builder) product(x, weight, bias *gorgonia.Node, transposed bool) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	var out *gorgonia.Node
	out, b.err = op.Linear(x, weight, bias, transposed)
	return out
}

// attention lets every token of x [N, C] look at itself and those before it in its sequence; the output projection comes later.
func (b *builder) attention(layer int, x *gorgonia.Node, g *Graph) *gorgonia.Node {
	c := b.model.Config
	qkv := b.linear(b.layerName(layer)+b.qkv, x)
	if c.Positions == Rotary {
		qkv = b.apply(op.Rotary{Heads: c.Heads, KVHeads: c.keyHeads(), Context: c.Context, Base: c.RopeTheta}, qkv, g.Positions)
	}
	b.tap(blockTap(layer)+"attention/qkv", qkv)
	if g.Caches != nil {
		cache := b.apply(op.Append{Heads: c.Heads, KVHeads: c.keyHeads()}, g.Caches[layer], qkv, g.At)
		k := op.CachedAttention{Heads: c.Heads, KVHeads: c.keyHeads(), Context: c.Context}
		return b.tap(blockTap(layer)+"attention/heads", b.apply(k, qkv, cache, g.Offsets, g.Starts, g.Lengths))
	}
	if b.err != nil {
		return nil
	}
	var out *gorgonia.Node
	out, b.err = op.CausalAttention(qkv, g.Offsets, op.Attention{Heads: c.Heads, KVHeads: c.keyHeads(), Context: c.Context})
	return b.tap(blockTap(layer)+"attention/heads", out)
}

// pick keeps the wanted rows of x [N, C]: [R, C].
func (b *builder) pick(x, wanted *gorgonia.Node) *gorgonia.Node {
	if wanted == nil {
		return x
	}
	return b.apply(op.Gather{}, x, wanted)
}

// mlp is the feed-forward block on x [N, C].
func (b *builder) mlp(layer int, x *gorgonia.Node) *gorgonia.Node {
	var activation op.Kernel = op.GELU{}
	if b.gated {
		activation = op.SwiGLU{}
	}
	h, block := b.layerName(layer), blockTap(layer)
	in := b.tap(block+"mlp/in", b.linear(h+b.mlpIn, x))
	return b.linear(h+b.mlpOut, b.tap(block+"mlp/activation", b.apply(activation, in)))
}

// logits turns x [R, C] into logits [R, V].
func (b *builder) logits(x *gorgonia.Node) *gorgonia.Node {
	table := b.head
	if b.model.Config.TiedHead {
		table = b.embedding
	}
	return b.product(x, b.node(table+".weight"), nil, true)
}

func (b *builder) loss(g *Graph) {
	if b.err != nil {
		return
	}
	if g.NLL, g.Hits, b.err = op.NegativeLogLikelihood(g.Logits, g.Targets); b.err == nil {
		b.tap("nll", g.NLL)
		b.tap("hits", g.Hits)
		b.rows = rowsNone
		g.Loss = b.tap("loss", b.apply(op.WeightedSum{}, g.NLL, g.Weights))
	}
}

// Gradients adds the symbolic gradient of the loss with respect to each parameter to the graph, by gorgonia.Grad, and returns their nodes
// in the order of the parameters.
func (g *Graph) Gradients() (gorgonia.Nodes, error) {
	sharedConstants.Lock()
	defer sharedConstants.Unlock()
	grads, err := gorgonia.Grad(g.Loss, g.Parameters...)
	if err != nil {
		return nil, fmt.Errorf("symbolic gradients of the model: %w", err)
	}
	return grads, nil
}

// sharedConstants guards what gorgonia.Grad hashes without a lock: constants of the package, which are nodes of every graph.
var sharedConstants sync.Mutex
