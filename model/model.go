// Package model is the transformer: its configuration, its weights and their files, the Gorgonia graph of its computation, and the
// generation of text.
//
//	Config -> Model (weights) -> Graph (one per batch shape) -> Executor (compiled programs on a device) -> logits, loss, gradients
//
// Batches go in as packed token ids; nothing here knows how a model is trained or what its tokens mean. Names and layouts of the
// weights are those of a GPT-2 or a Llama that Hugging Face transformers saves; see variant for how the two differ.
//
// Start at Graph for the transformer itself, at Model for its weights, at Executor for running it.
package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"trainer/internal/fault"
	"trainer/internal/memory"
	"trainer/internal/vm"
)

// Parameter is one tensor of weights.
type Parameter struct {
	Name  string // as Hugging Face names it: "transformer.h.0.attn.c_attn.weight"; see Tensors
	Shape []int
	Stage int       // index in Model.Stages
	Begin int       // where it starts in Model.Weights
	Value []float32 // row-major view into Model.Weights

	packed []Tensor // what files have in its place, without values; nil where they have it as it is
}

// IsMatrix tells matrices, embeddings included, from biases and norms. Weight decay is for matrices.
func (p *Parameter) IsMatrix() bool { return len(p.Shape) > 1 }

// Stage is a machine on the way from tokens to a prediction: what blame is attributed to.
type Stage struct {
	Name    string // "embeddings", "positions", "attention 1", "mlp 1", ..., "output"
	Weights int    // trained weights
	Block   bool   // it is a part of one of the blocks, which are alike
}

// Model is a transformer's weights.
type Model struct {
	Config     Config
	Stages     []Stage
	Parameters []Parameter // trained tensors, in the order of the stages
	Weights    []float32   // all of them, each at a multiple of 16 elements; the gaps are zero
	fixed      []float32   // the sinusoidal position table [Context, Width], or nil
}

// initStd is the standard deviation of new weights (Radford et al. 2019: 0.02).
const initStd = 0.02

// wpe is the name of the position table, learned or fixed.
const wpe = "transformer.wpe.weight"

// New returns a model with random weights: matrices are normal with deviation 0.02, the last of each residual branch divided by
// √(2·Layers) so that the sum over layers keeps its size (Radford et al. 2019, section 2.3); biases are 0, norms 1. The same seed gives the
// same weights everywhere.
func New(c Config, seed uint64) (*Model, error) {
	m, err := build(c)
	if err != nil {
		return nil, err
	}
	v := c.variant()
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range m.Parameters {
		p := &m.Parameters[i]
		switch {
		case p.IsMatrix():
			std := initStd
			if strings.HasSuffix(p.Name, v.attentionOut+".weight") || strings.HasSuffix(p.Name, v.mlpOut+".weight") {
				std /= math.Sqrt(2 * float64(c.Layers))
			}
			for j := range p.Value {
				p.Value[j] = float32(random.NormFloat64() * std)
			}
		case strings.HasSuffix(p.Name, ".weight"):
			for j := range p.Value {
				p.Value[j] = 1
			}
		}
	}
	if m.fixed != nil {
		fillSinusoids(m.fixed, c.Context, c.Width)
	}
	return m, nil
}

// fillSinusoids writes the position table of Vaswani et al. 2017, section 3.5: column 2i holds sin(p/10000^(2i/width)), column 2i+1 the
// cosine. It is scaled to the size of new token embeddings, which it would drown otherwise: pre-norm blocks see the sum of both.
func fillSinusoids(table []float32, context, width int) {
	const scale = initStd * math.Sqrt2
	for p := range context {
		for j := range width {
			angle := float64(p) / math.Pow(10000, float64(j/2*2)/float64(width))
			if j%2 == 0 {
				table[p*width+j] = float32(scale * math.Sin(angle))
			} else {
				table[p*width+j] = float32(scale * math.Cos(angle))
			}
		}
	}
}

// build lays out a model with all weights zero.
func build(c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	weights := c.NumParameters() + c.NumFixed()
	if err := memory.Fits(fmt.Sprintf("a model of %d weights", weights), 4*weights); err != nil {
		keys := c.variant().keys
		return nil, fault.Optionf("%s %d with %s %d: %v: choose less of either, or a smaller vocabulary", keys.width, c.Width, keys.layers, c.Layers, err)
	}
	m := sketch(c)
	if c.Positions == Sinusoidal {
		m.fixed = make([]float32, c.Context*c.Width)
	}
	last := &m.Parameters[len(m.Parameters)-1]
	m.hold(vm.AlignedFloat32s(last.end()))
	return m, nil
}

// sketch lays out a model without memory for weights.
func sketch(c Config) *Model {
	m := &Model{Config: c}
	v := c.variant()
	stage := func(name string) { m.Stages = append(m.Stages, Stage{Name: name}) }
	inBlock := func(name string, layer int) {
		m.Stages = append(m.Stages, Stage{Name: fmt.Sprintf("%s %d", name, layer+1), Block: true})
	}
	add := func(name string, shape ...int) *Parameter {
		p := Parameter{Name: name, Shape: shape, Stage: len(m.Stages) - 1}
		if n := len(m.Parameters); n > 0 {
			p.Begin = m.Parameters[n-1].end()
		}
		m.Stages[p.Stage].Weights += p.Size()
		m.Parameters = append(m.Parameters, p)
		return &m.Parameters[len(m.Parameters)-1]
	}
	norm := func(name string) {
		add(name+".weight", c.Width)
		if v.biases {
			add(name+".bias", c.Width)
		}
	}
	linear := func(name string, in, out int) *Parameter {
		shape := []int{in, out}
		if v.transposed {
			shape = []int{out, in}
		}
		p := add(name+".weight", shape...)
		if v.biases {
			add(name+".bias", out)
		}
		return p
	}
	// pack says that files have the rows of p in several tensors.
	pack := func(p *Parameter, layer string, names []string, rows ...int) {
		for i, name := range names {
			p.packed = append(p.packed, Tensor{Name: layer + name + ".weight", Shape: []int{rows[i], c.Width}})
		}
	}

	stage("embeddings")
	add(v.embedding+".weight", c.VocabSize, c.Width)
	stage("positions")
	if c.Positions == Learned {
		add(wpe, c.Context, c.Width)
	}
	keyRows := c.keyHeads() * c.HeadDim()
	for l := range c.Layers {
		h := v.layerName(l)
		inBlock("attention", l)
		norm(h + v.attentionNorm)
		pack(linear(h+v.qkv, c.Width, c.QKVWidth()), h, v.qkvTensors, c.Width, keyRows, keyRows)
		linear(h+v.attentionOut, c.Width, c.Width)
		inBlock("mlp", l)
		norm(h + v.mlpNorm)
		pack(linear(h+v.mlpIn, c.Width, c.MLPInputs()), h, v.mlpTensors, c.MLPWidth, c.MLPWidth)
		linear(h+v.mlpOut, c.MLPWidth, c.Width)
	}
	stage("output")
	norm(v.finalNorm)
	if !c.TiedHead {
		add(v.head+".weight", c.VocabSize, c.Width)
	}
	return m
}

// hold makes a vector that of all weights.
func (m *Model) hold(weights []float32) {
	m.Weights = weights
	for i := range m.Parameters {
		p := &m.Parameters[i]
		p.Value = weights[p.Begin : p.Begin+p.Size() : p.Begin+p.Size()]
	}
}

// Size is the number of weights.
func (p *Parameter) Size() int {
	size := 1
	for _, n := range p.Shape {
		size *= n
	}
	return size
}

// end is where the next parameter begins. Parameters keep the alignment of a program's outputs, so that a vector of all gradients has
// the layout of Weights.
func (p *Parameter) end() int { return p.Begin + vm.Align(p.Size()*4)/4 }

// Over returns the model with other weights, a vector in the layout of Weights, to which it refers.
func (m *Model) Over(weights []float32) *Model {
	other := *m
	other.Parameters = slices.Clone(m.Parameters)
	other.hold(weights)
	return &other
}

// Parameter returns the parameter of the given name, or nil.
func (m *Model) Parameter(name string) *Parameter {
	for i := range m.Parameters {
		if m.Parameters[i].Name == name {
			return &m.Parameters[i]
		}
	}
	return nil
}

// SilenceHead has what an attention head has read, of a layer and a head from 0, go nowhere: it sets the weights to zero by which the output
// projection takes it up. restore puts them back.
func (m *Model) SilenceHead(layer, head int) (restore func()) {
	c, v := m.Config, m.Config.variant()
	p := m.Parameter(v.layerName(layer) + v.attentionOut + ".weight") // [in, out], the inputs of a head side by side; or its transpose
	before, d := slices.Clone(p.Value), c.HeadDim()
	for i := range c.Width * c.Width {
		in := i / c.Width
		if v.transposed {
			in = i % c.Width
		}
		if in/d == head {
			p.Value[i] = 0
		}
	}
	return func() { copy(p.Value, before) }
}
