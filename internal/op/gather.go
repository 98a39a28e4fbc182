package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// Gather picks rows of a table [V, C] by ids [N]: the result is [N, C]. It looks up token and position embeddings, and picks
// the rows of activations that a prediction is wanted for. A negative id gives a row of zeros.
type Gather struct{}

func (Gather) signature() signature {
	return signature{in: []value{floats(2), ints(1)}, out: floats(2)}
}

func (Gather) shape(in []tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[1][0], in[0][1]}, nil
}

func (Gather) compute(out []float64, in operands) {
	ref.Gather(out, in.floats[0], in.ints[1], in.shapes[0][1])
}

func (Gather) wrt() []bool { return []bool{true, false} }

func (Gather) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := Apply(ScatterAdd{Rows: in[0].Shape()[0]}, grad, in[1])
	return gorgonia.Nodes{g, nil}, err
}

// ScatterAdd is the gradient of Gather: row i of dy [N, C] is added to row ids[i] of a table of zeros [Rows, C], in the order
// of i, so that the result is always the same.
type ScatterAdd struct{ Rows int }

func (ScatterAdd) signature() signature {
	return signature{in: []value{floats(2), ints(1)}, out: floats(2)}
}

func (k ScatterAdd) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[0][0] != in[1][0] {
		return nil, mismatch("as many ids as rows", in...)
	}
	return tensor.Shape{k.Rows, in[0][1]}, nil
}

func (k ScatterAdd) compute(out []float64, in operands) {
	ref.ScatterAdd(out, in.floats[0], in.ints[1], in.shapes[0][1])
}
