package op

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// CrossEntropy weighs each row of logits [N, V] against its target [N] (see ref.CrossEntropy). Results, packed: nll [N], the negative
// log-likelihood of the target; lse [N]; hit [N], 1 where the target is the likeliest. A negative target is masked.
type CrossEntropy struct{}

// NegativeLogLikelihood returns nll [N] and hit [N] of CrossEntropy.
func NegativeLogLikelihood(logits, targets *gorgonia.Node) (nll, hit *gorgonia.Node, err error) {
	all, err := Apply(CrossEntropy{}, logits, targets)
	if err != nil {
		return nil, nil, err
	}
	nodes, err := partNodes(all, CrossEntropy{}.results(shapes(gorgonia.Nodes{logits}))...)
	if err != nil {
		return nil, nil, err
	}
	return nodes[0], nodes[2], nil
}

func (CrossEntropy) signature() signature {
	return signature{in: []value{floats(2), ints(1)}, out: floats(1)}
}

func (k CrossEntropy) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[1][0] != in[0][0] {
		return nil, mismatch("a target for each row of logits", in...)
	}
	return packedShape(k.results(in)), nil
}

func (CrossEntropy) results(in []tensor.Shape) []Part {
	rows := in[0][0]
	return pack(Part{Rows: rows}, Part{Rows: rows}, Part{Rows: rows})
}

func (k CrossEntropy) compute(out []float64, in operands) {
	p := k.results(in.shapes)
	ref.CrossEntropy(p[0].of(out), p[1].of(out), p[2].of(out), in.floats[0], in.ints[1], in.shapes[0][1])
}

func (CrossEntropy) wrt() []bool { return []bool{true, false} }

func (k CrossEntropy) derive(in gorgonia.Nodes, result, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dnll, err := partGradient(grad)
	if err != nil {
		return nil, err
	}
	lse, err := Apply(k.results(shapes(in))[1], result)
	if err != nil {
		return nil, err
	}
	g, err := Apply(CrossEntropyGrad{}, in[0], lse, dnll, in[1])
	return gorgonia.Nodes{g, nil}, err
}

// CrossEntropyGrad computes dlogits [N, V] from logits [N, V], lse [N], dnll [N] and targets [N] (see ref.CrossEntropyGrad).
type CrossEntropyGrad struct{}

func (CrossEntropyGrad) signature() signature {
	return signature{in: []value{floats(2), floats(1), floats(1), ints(1)}, out: floats(2)}
}

func (CrossEntropyGrad) shape(in []tensor.Shape) (tensor.Shape, error) {
	if rows := in[0][0]; in[1][0] != rows || in[2][0] != rows || in[3][0] != rows {
		return nil, mismatch("lse, dnll and a target for each row of logits", in...)
	}
	return in[0].Clone(), nil
}

func (CrossEntropyGrad) compute(out []float64, in operands) {
	ref.CrossEntropyGrad(out, in.floats[0], in.floats[1], in.floats[2], in.ints[3], in.shapes[0][1])
}

func (CrossEntropyGrad) overwrites() []int { return []int{0} }
