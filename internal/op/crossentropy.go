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
	nllPart, _, hitPart := CrossEntropy{}.Results(targets.Shape()[0])
	nodes, err := parts(all, nllPart, hitPart)
	if err != nil {
		return nil, nil, err
	}
	return nodes[0], nodes[1], nil
}

func (CrossEntropy) signature() signature {
	return signature{in: []value{floats(2), ints(1)}, out: floats(1)}
}

func (CrossEntropy) shape(in []tensor.Shape) (tensor.Shape, error) {
	rows := in[0][0]
	if in[1][0] != rows {
		return nil, mismatch("a target for each row of logits", in...)
	}
	_, total := packed(rows, rows, rows)
	return tensor.Shape{total}, nil
}

// Results returns where nll, lse and hit, each [rows], are in the packed result.
func (CrossEntropy) Results(rows int) (nll, lse, hit Part) {
	offsets, _ := packed(rows, rows, rows)
	return Part{offsets[0], rows, 0}, Part{offsets[1], rows, 0}, Part{offsets[2], rows, 0}
}

func (k CrossEntropy) compute(out []float64, in operands) {
	nll, lse, hit := k.Results(in.shapes[0][0])
	ref.CrossEntropy(View(out, nll), View(out, lse), View(out, hit), in.floats[0], in.ints[1], in.shapes[0][1])
}

func (CrossEntropy) wrt() []bool { return []bool{true, false} }

func (k CrossEntropy) derive(in gorgonia.Nodes, result, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dnll, err := partGradient(grad)
	if err != nil {
		return nil, err
	}
	_, lsePart, _ := k.Results(in[0].Shape()[0])
	lse, err := Apply(lsePart, result)
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
