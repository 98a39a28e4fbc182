package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// Attention is causal multi-head attention inside each sequence (see ref.Attention). Inputs: qkv [N, 3C], a row holding query, key
// and value of a token, and offsets [S+1], where sequence s is rows offsets[s] to offsets[s+1] and no longer than Context. Results, packed:
// out [N, C], and lse [Heads·N], the log-sum-exp of each row's scores, which the gradient needs.
type Attention struct{ Heads, Context int }

// CausalAttention returns the out [N, C] of Attention.
func CausalAttention(qkv, offsets *gorgonia.Node, heads, context int) (*gorgonia.Node, error) {
	k := Attention{Heads: heads, Context: context}
	all, err := Apply(k, qkv, offsets)
	if err != nil {
		return nil, err
	}
	return Apply(k.results(shapes(gorgonia.Nodes{qkv}))[0], all)
}

func (Attention) signature() signature {
	return signature{in: []value{floats(2), ints(1)}, out: floats(1)}
}

func (k Attention) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[0][1]%(3*k.Heads) != 0 {
		return nil, mismatch(fmt.Sprintf("qkv [N, 3·C] with C a multiple of %d", k.Heads), in...)
	}
	return packedShape(k.results(in)), nil
}

func (k Attention) results(in []tensor.Shape) []Part {
	rows, c := in[0][0], in[0][1]/3
	return pack(Part{Rows: rows, Cols: c}, Part{Rows: k.Heads * rows})
}

func (k Attention) compute(out []float64, in operands) {
	p := k.results(in.shapes)
	rows, c := in.shapes[0][0], in.shapes[0][1]/3
	ref.Attention(p[0].of(out), p[1].of(out), in.floats[0], in.ints[1], rows, k.Heads, c/k.Heads)
}

func (Attention) wrt() []bool { return []bool{true, false} }

func (k Attention) derive(in gorgonia.Nodes, result, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dout, err := partGradient(grad)
	if err != nil {
		return nil, err
	}
	saved, err := partNodes(result, k.results(shapes(in))...)
	if err != nil {
		return nil, err
	}
	g, err := Apply(AttentionGrad(k), in[0], saved[0], saved[1], dout, in[1])
	return gorgonia.Nodes{g, nil}, err
}

// AttentionGrad computes dqkv [N, 3C] from qkv [N, 3C], out [N, C] and lse [Heads·N] of Attention, dout [N, C] and offsets [S+1].
type AttentionGrad struct{ Heads, Context int }

func (AttentionGrad) signature() signature {
	return signature{in: []value{floats(2), floats(2), floats(1), floats(2), ints(1)}, out: floats(2)}
}

func (k AttentionGrad) shape(in []tensor.Shape) (tensor.Shape, error) {
	rows, c := in[0][0], in[1][1]
	if in[0][1] != 3*c || in[1][0] != rows || in[2][0] != k.Heads*rows || !in[3].Eq(in[1]) {
		return nil, mismatch("qkv [N, 3C], out [N, C], lse [Heads·N], dout [N, C] and offsets", in...)
	}
	return in[0].Clone(), nil
}

func (k AttentionGrad) compute(out []float64, in operands) {
	rows, c := in.shapes[1][0], in.shapes[1][1]
	ref.AttentionGrad(out, in.floats[0], in.floats[1], in.floats[2], in.floats[3], in.ints[4], rows, k.Heads, c/k.Heads)
}
