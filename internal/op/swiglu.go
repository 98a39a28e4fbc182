package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// SwiGLU is silu(gate)·up [N, H] of the rows of x [N, 2H], which hold gate and then up, as one product computes both (see ref.SwiGLU).
type SwiGLU struct{}

func (SwiGLU) signature() signature { return signature{in: []value{floats(2)}, out: floats(2)} }

func (SwiGLU) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[0][1]%2 != 0 {
		return nil, mismatch("an even number of columns", in...)
	}
	return tensor.Shape{in[0][0], in[0][1] / 2}, nil
}

func (SwiGLU) compute(out []float64, in operands) {
	ref.SwiGLU(out, in.floats[0], in.shapes[0][0], in.shapes[0][1]/2)
}

func (SwiGLU) wrt() []bool { return []bool{true} }

func (SwiGLU) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := Apply(SwiGLUGrad{}, in[0], grad)
	return gorgonia.Nodes{g}, err
}

// SwiGLUGrad computes dx [N, 2H] from x [N, 2H] and dy [N, H].
type SwiGLUGrad struct{}

func (SwiGLUGrad) signature() signature {
	return signature{in: []value{floats(2), floats(2)}, out: floats(2)}
}

func (SwiGLUGrad) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[0][0] != in[1][0] || in[0][1] != 2*in[1][1] {
		return nil, mismatch("x [N, 2H] and dy [N, H]", in...)
	}
	return in[0].Clone(), nil
}

func (SwiGLUGrad) compute(out []float64, in operands) {
	ref.SwiGLUGrad(out, in.floats[0], in.floats[1], in.shapes[1][0], in.shapes[1][1])
}

func (SwiGLUGrad) overwrites() []int { return []int{0} }
