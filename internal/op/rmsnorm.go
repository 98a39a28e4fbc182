package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// RMSNorm divides the rows of x [N, C] by the root of their mean square and scales them by gamma [C] (see ref.RMSNorm).
type RMSNorm struct{ Epsilon float64 }

func (RMSNorm) signature() signature {
	return signature{in: []value{floats(2), floats(1)}, out: floats(2)}
}

func (RMSNorm) shape(in []tensor.Shape) (tensor.Shape, error) {
	if c := in[0][1]; in[1][0] != c {
		return nil, mismatch(fmt.Sprintf("gamma of %d", c), in...)
	}
	return in[0].Clone(), nil
}

func (k RMSNorm) compute(out []float64, in operands) {
	ref.RMSNorm(out, in.floats[0], in.floats[1], in.shapes[0][0], in.shapes[0][1], k.Epsilon)
}

func (RMSNorm) wrt() []bool { return []bool{true, true} }

func (k RMSNorm) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	all, err := Apply(RMSNormGrad(k), in[0], in[1], grad)
	if err != nil {
		return nil, err
	}
	return partNodes(all, RMSNormGrad(k).results(shapes(in))...)
}

// RMSNormGrad computes from x [N, C], gamma [C] and dy [N, C] the gradients dx [N, C] and dgamma [C], packed.
type RMSNormGrad struct{ Epsilon float64 }

func (RMSNormGrad) signature() signature {
	return signature{in: []value{floats(2), floats(1), floats(2)}, out: floats(1)}
}

func (k RMSNormGrad) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[1][0] != in[0][1] || !in[2].Eq(in[0]) {
		return nil, mismatch("x [N, C], gamma [C] and dy [N, C]", in...)
	}
	return packedShape(k.results(in)), nil
}

func (RMSNormGrad) results(in []tensor.Shape) []Part {
	rows, c := in[0][0], in[0][1]
	return pack(Part{Rows: rows, Cols: c}, Part{Rows: c})
}

func (k RMSNormGrad) compute(out []float64, in operands) {
	p := k.results(in.shapes)
	ref.RMSNormGrad(p[0].of(out), p[1].of(out), in.floats[0], in.floats[1], in.floats[2], in.shapes[0][0], in.shapes[0][1], k.Epsilon)
}
