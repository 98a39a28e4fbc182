package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// sameShape is the shape of an elementwise result.
func sameShape(in []tensor.Shape) (tensor.Shape, error) {
	for _, s := range in[1:] {
		if !s.Eq(in[0]) {
			return nil, mismatch("equal shapes", in...)
		}
	}
	return in[0].Clone(), nil
}

// Add is a + b, matrices of one shape: the residual connection, and the sum of the gradients of a value that is used twice.
type Add struct{}

func (Add) signature() signature {
	return signature{in: []value{floats(2), floats(2)}, out: floats(2)}
}
func (Add) shape(in []tensor.Shape) (tensor.Shape, error) { return sameShape(in) }
func (Add) compute(out []float64, in operands)            { ref.Add(out, in.floats[0], in.floats[1]) }
func (Add) overwrites() []int                             { return []int{0, 1} }
func (Add) wrt() []bool                                   { return []bool{true, true} }
func (Add) derive(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{grad, grad}, nil
}

// GELU is the Gaussian error linear unit of a matrix in its tanh form (see ref.GELU).
type GELU struct{}

func (GELU) signature() signature                          { return signature{in: []value{floats(2)}, out: floats(2)} }
func (GELU) shape(in []tensor.Shape) (tensor.Shape, error) { return sameShape(in) }
func (GELU) compute(out []float64, in operands)            { ref.GELU(out, in.floats[0]) }
func (GELU) overwrites() []int                             { return []int{0} }
func (GELU) wrt() []bool                                   { return []bool{true} }
func (GELU) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := Apply(GELUGrad{}, in[0], grad)
	return gorgonia.Nodes{g}, err
}

// GELUGrad is dy·GELU'(x) for x and dy of one shape.
type GELUGrad struct{}

func (GELUGrad) signature() signature {
	return signature{in: []value{floats(2), floats(2)}, out: floats(2)}
}
func (GELUGrad) shape(in []tensor.Shape) (tensor.Shape, error) { return sameShape(in) }
func (GELUGrad) compute(out []float64, in operands)            { ref.GELUGrad(out, in.floats[0], in.floats[1]) }
func (GELUGrad) overwrites() []int                             { return []int{0, 1} }

// WeightedSum is Σ x_i·w_i, a scalar: the loss from the negative log-likelihoods x [N] and the weight w [N] of each prediction.
// The weights are data: there is no derivative with respect to them.
type WeightedSum struct{}

func (WeightedSum) signature() signature {
	return signature{in: []value{floats(1), floats(1)}, out: floats(0)}
}

func (WeightedSum) shape(in []tensor.Shape) (tensor.Shape, error) {
	if _, err := sameShape(in); err != nil {
		return nil, err
	}
	return tensor.ScalarShape(), nil
}

func (WeightedSum) compute(out []float64, in operands) { out[0] = ref.Dot(in.floats[0], in.floats[1]) }
func (WeightedSum) wrt() []bool                        { return []bool{true, false} }
func (WeightedSum) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := Apply(Scale{}, in[1], grad)
	return gorgonia.Nodes{g, nil}, err
}

// Scale is s·x for a vector x [N] and a scalar s.
type Scale struct{}

func (Scale) signature() signature {
	return signature{in: []value{floats(1), floats(0)}, out: floats(1)}
}
func (Scale) shape(in []tensor.Shape) (tensor.Shape, error) { return in[0].Clone(), nil }
func (Scale) compute(out []float64, in operands)            { ref.Scale(out, in.floats[0], in.floats[1][0]) }
func (Scale) overwrites() []int                             { return []int{0} }
