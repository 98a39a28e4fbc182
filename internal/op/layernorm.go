package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// LayerNorm normalises the rows of x [N, C] and scales and shifts them by gamma and beta [C] (see ref.LayerNorm).
type LayerNorm struct{ Epsilon float64 }

func (LayerNorm) signature() signature {
	return signature{in: []value{floats(2), floats(1), floats(1)}, out: floats(2)}
}

func (LayerNorm) shape(in []tensor.Shape) (tensor.Shape, error) {
	if c := in[0][1]; in[1][0] != c || in[2][0] != c {
		return nil, mismatch(fmt.Sprintf("gamma and beta of %d", c), in...)
	}
	return in[0].Clone(), nil
}

func (k LayerNorm) compute(out []float64, in operands) {
	ref.LayerNorm(out, in.floats[0], in.floats[1], in.floats[2], in.shapes[0][0], in.shapes[0][1], k.Epsilon)
}

func (LayerNorm) wrt() []bool { return []bool{true, true, true} }

func (k LayerNorm) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	all, err := Apply(LayerNormGrad(k), in[0], in[1], grad)
	if err != nil {
		return nil, err
	}
	return partNodes(all, LayerNormGrad(k).results(shapes(in))...)
}

// LayerNormGrad computes from x [N, C], gamma [C] and dy [N, C] the gradients dx [N, C], dgamma [C] and dbeta [C], packed.
type LayerNormGrad struct{ Epsilon float64 }

func (LayerNormGrad) signature() signature {
	return signature{in: []value{floats(2), floats(1), floats(2)}, out: floats(1)}
}

func (k LayerNormGrad) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[1][0] != in[0][1] || !in[2].Eq(in[0]) {
		return nil, mismatch("x [N, C], gamma [C] and dy [N, C]", in...)
	}
	return packedShape(k.results(in)), nil
}

func (LayerNormGrad) results(in []tensor.Shape) []Part {
	rows, c := in[0][0], in[0][1]
	return pack(Part{Rows: rows, Cols: c}, Part{Rows: c}, Part{Rows: c})
}

func (k LayerNormGrad) compute(out []float64, in operands) {
	p := k.results(in.shapes)
	ref.LayerNormGrad(p[0].of(out), p[1].of(out), p[2].of(out), in.floats[0], in.floats[1], in.floats[2],
		in.shapes[0][0], in.shapes[0][1], k.Epsilon)
}
