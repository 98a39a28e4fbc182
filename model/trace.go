package model

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"

	"trainer/internal/fault"
	"trainer/internal/ref"
	"trainer/internal/vm"
)

// Trace computes the batch and returns the values of these names, copies in float32 in their order: of taps (see Model.Taps), of parameters,
// and with "gradient of " ahead of a name the gradient of the loss by it. Every prediction counts in the loss with the given weight, as in
// Run; nothing falls by dropout. Values have a row for each token of the batch or each prediction, without what a shape is padded with.
//
// The program is one of its own, whose outputs are the named nodes, so that what is fused or overwritten otherwise can be looked at; those of
// Run stay as they are, as do the weights. It overwrites the results of the last run. A name that there is not is an error of class usage
// that says which are near; other errors are the backend's. A batch that goes on from a cache panics.
func (e *Executor) Trace(b *Batch, weight float32, names ...string) ([]Tensor, error) {
	b.check(e.model.Config, 0)
	if len(e.pending) > 0 {
		panic(fmt.Sprintf("model: a trace while the results of %d runs are still to be asked for", len(e.pending)))
	}
	shape := b.shape()
	p, err := e.traceProgram(shape, names)
	if err != nil {
		return nil, err
	}
	if p.vm != nil {
		if err := p.write(b.pad(shape, weight)); err != nil {
			return nil, err
		}
		if err := p.vm.RunAll(); err != nil {
			return nil, err
		}
	}
	list := make([]Tensor, len(names))
	for i, name := range names {
		if list[i], err = e.traced(p, p.traced[i], b); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list[i].Name = name
	}
	return list, nil
}

// traceProgram returns the compiled program that computes the named values.
func (e *Executor) traceProgram(s Shape, names []string) (*program, error) {
	key := programKey{Shape: s, taps: strings.Join(names, "\n")}
	return e.cached(key, func() (*program, error) {
		g, err := e.model.Graph(s)
		if err != nil {
			return nil, err
		}
		traced, err := g.traced(names)
		if err != nil {
			return nil, err
		}
		var outputs gorgonia.Nodes
		for _, t := range traced {
			if t.node.Op() != nil && t.node.Value() == nil && !slices.Contains(outputs, t.node) { // else it is an input, a constant or there already
				outputs = append(outputs, t.node)
			}
		}
		p := &program{graph: g, traced: traced}
		if len(outputs) == 0 {
			return p, nil
		}
		code, err := vm.Compile(outputs...)
		if err != nil {
			return nil, err
		}
		if err := e.bind(p, code); err != nil {
			return nil, fmt.Errorf("a trace of %d tokens: %w", s.Rows, err)
		}
		return p, nil
	})
}

// traced finds the nodes of names. It adds those of gradients to the graph.
func (g *Graph) traced(names []string) ([]tap, error) {
	list := make([]tap, len(names))
	differentiated := false
	for i, name := range names {
		bare, gradient := strings.CutPrefix(name, gradientOf)
		t, err := g.tap(bare)
		if err != nil {
			return nil, err
		}
		if gradient && !differentiated {
			if _, err := g.Gradients(); err != nil {
				return nil, err
			}
			differentiated = true
		}
		if gradient {
			// Grad leaves at every node that it passes the gradient by it.
			if t.node = t.node.Deriv(); t.node == nil {
				return nil, fault.Usagef("%q: no weight that is learned has a part in the loss through it: expected another value", name)
			}
		}
		list[i] = t
	}
	return list, nil
}

// traced reads a value behind a run.
func (e *Executor) traced(p *program, t tap, b *Batch) (Tensor, error) {
	if one, ok := t.node.Value().(*gorgonia.F32); ok { // the gradient of the loss by itself
		return Tensor{Value: []float32{float32(*one)}}, nil
	}
	shape := slices.Clone([]int(t.node.Shape()))
	var values []float32
	var err error
	if i := slices.Index(p.graph.Parameters, t.node); i >= 0 {
		values, err = e.read(vm.Bytes(e.model.Parameters[i].Value))
	} else {
		values, err = p.vm.Floats(p.vm.Program().Index(t.node))
	}
	if err != nil {
		return Tensor{}, err
	}
	switch t.rows {
	case rowsTokens:
		values, shape = cut(values, shape, b.Tokens())
	case rowsWanted:
		values, shape = cut(values, shape, b.Predictions())
	}
	return Tensor{Shape: shape, Value: values}, nil
}

// read returns what the device has of weights.
func (e *Executor) read(weights []byte) ([]float32, error) {
	if _, err := e.backend.Adopt(vm.Bytes(e.model.Weights)); err != nil {
		return nil, err
	}
	memory, err := e.backend.Adopt(weights)
	if err != nil {
		return nil, err
	}
	host := make([]byte, len(weights))
	return vm.Float32s(host), memory.Read(host)
}

// cut keeps the first rows of a matrix or vector.
func cut(values []float32, shape []int, rows int) ([]float32, []int) {
	values = values[:len(values)/shape[0]*rows]
	shape[0] = rows
	return values, shape
}

// AttentionWeights returns what one layer's heads read from where in one sequence of T tokens: weights [H, T, T], of which row i of a head is a
// distribution over tokens 0 to i. qkv are the rows of the sequence in the layer's TapQKV. The kernels never have these numbers all at once
// (Dao et al. 2022); this is the formula that they follow, ref.AttentionWeights.
func (c Config) AttentionWeights(qkv []float32) Tensor {
	rows := len(qkv) / c.QKVWidth()
	p := make([]float32, c.Heads*rows*rows)
	ref.AttentionWeights(p, qkv, rows, c.Heads, c.keyHeads(), c.HeadDim())
	return Tensor{Shape: []int{c.Heads, rows, rows}, Value: p}
}

// unembed stands in a programKey for the program of Unembed.
const unembed = "norm and head alone"

// Unembed returns the logits [R, V] which the final norm and the head make of rows x [R, C] of the residual stream. Of those behind an earlier
// layer than the last they tell what the model would say if it ended there: the logit lens (nostalgebraist 2020, "interpreting GPT").
func (e *Executor) Unembed(x []float32) ([]float32, error) {
	c := e.model.Config
	if len(x) == 0 || len(x)%c.Width != 0 {
		panic(fmt.Sprintf("model: a residual stream of %d numbers for a width of %d", len(x), c.Width))
	}
	rows := len(x) / c.Width
	s := Shape{Rows: roundUp(rows)}
	p, err := e.cached(programKey{Shape: s, taps: unembed}, func() (*program, error) {
		g, err := e.model.unembedding(s.Rows)
		if err != nil {
			return nil, err
		}
		code, err := vm.Compile(g.Logits)
		if err != nil {
			return nil, err
		}
		p := &program{graph: g}
		return p, e.bind(p, code)
	})
	if err != nil {
		return nil, err
	}
	padded := make([]float32, s.Rows*c.Width)
	copy(padded, x)
	if err := p.vm.Memory(p.graph.Residual[0]).Write(vm.Bytes(padded)); err != nil {
		return nil, err
	}
	if err := p.vm.RunAll(); err != nil {
		return nil, err
	}
	logits, err := p.vm.Floats(p.vm.Program().Index(p.graph.Logits))
	if err != nil {
		return nil, err
	}
	return logits[:rows*c.VocabSize], nil
}
