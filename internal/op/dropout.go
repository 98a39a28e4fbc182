package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// Dropout sets a share Rate of the elements of x [N, C] to 0 and scales the others by 1/(1 - Rate) (see ref.Dropout). Which ones is a function
// of key [2], rows [N], the number of each row, and Salt, which tells this place in the model from others. So the derivative is the same op
// on the gradient, and no mask is kept.
type Dropout struct {
	Rate float64 // 0 or more, less than 1
	Salt uint32
}

func (Dropout) signature() signature {
	return signature{in: []value{floats(2), ints(1), ints(1)}, out: floats(2)}
}

func (Dropout) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[1][0] != 2 || in[2][0] != in[0][0] {
		return nil, mismatch("x [N, C], key [2] and rows [N]", in...)
	}
	return in[0].Clone(), nil
}

func (k Dropout) compute(out []float64, in operands) {
	ref.Dropout(out, in.floats[0], in.ints[1], in.ints[2], in.shapes[0][1], k.Salt, k.Rate)
}

func (Dropout) overwrites() []int { return []int{0} }
func (Dropout) wrt() []bool       { return []bool{true, false, false} }

func (k Dropout) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := Apply(k, grad, in[1], in[2])
	return gorgonia.Nodes{g, nil, nil}, err
}
