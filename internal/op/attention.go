package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// Attention is causal attention inside each sequence with Heads heads of queries and KVHeads of keys and values, which divides Heads (see
// ref.Attention). Inputs: qkv [N, (Heads + 2·KVHeads)·D], a row holding the queries, keys and values of a token, and offsets [S+1], where
// sequence s is rows offsets[s] to offsets[s+1] and no longer than Context. Results, packed: out [N, Heads·D], and lse [Heads·N], the
// log-sum-exp of each row's scores, which the gradient needs.
type Attention struct{ Heads, KVHeads, Context int }

// CausalAttention returns the out [N, Heads·D] of Attention.
func CausalAttention(qkv, offsets *gorgonia.Node, k Attention) (*gorgonia.Node, error) {
	all, err := Apply(k, qkv, offsets)
	if err != nil {
		return nil, err
	}
	return Apply(k.results(shapes(gorgonia.Nodes{qkv}))[0], all)
}

// HeadDim is the size D of a head in rows of qkv of the given width.
func (k Attention) HeadDim(width int) int { return width / qkvHeads(k.Heads, k.KVHeads) }

// qkvHeads is the number of head vectors in a row of qkv: of queries, of keys and of values.
func qkvHeads(heads, kvHeads int) int { return heads + 2*kvHeads }

func (Attention) signature() signature {
	return signature{in: []value{floats(2), ints(1)}, out: floats(1)}
}

func (k Attention) shape(in []tensor.Shape) (tensor.Shape, error) {
	if k.KVHeads < 1 || k.Heads%k.KVHeads != 0 {
		return nil, mismatch(fmt.Sprintf("KVHeads to be a divisor of the %d heads of queries", k.Heads), in...)
	}
	if heads := qkvHeads(k.Heads, k.KVHeads); in[0][1]%heads != 0 {
		return nil, mismatch(fmt.Sprintf("qkv with columns for %d heads, a multiple of that", heads), in...)
	}
	return packedShape(k.results(in)), nil
}

func (k Attention) results(in []tensor.Shape) []Part {
	rows, width := in[0][0], in[0][1]
	return pack(Part{Rows: rows, Cols: k.Heads * k.HeadDim(width)}, Part{Rows: k.Heads * rows})
}

func (k Attention) compute(out []float64, in operands) {
	p := k.results(in.shapes)
	rows, width := in.shapes[0][0], in.shapes[0][1]
	ref.Attention(p[0].of(out), p[1].of(out), in.floats[0], in.ints[1], rows, k.Heads, k.KVHeads, k.HeadDim(width))
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

// AttentionGrad computes dqkv, of the shape of qkv, from qkv, out [N, Heads·D] and lse [Heads·N] of Attention, dout [N, Heads·D] and
// offsets [S+1].
type AttentionGrad struct{ Heads, KVHeads, Context int }

func (AttentionGrad) signature() signature {
	return signature{in: []value{floats(2), floats(2), floats(1), floats(2), ints(1)}, out: floats(2)}
}

func (k AttentionGrad) shape(in []tensor.Shape) (tensor.Shape, error) {
	p := Attention(k).results(in)
	if !in[1].Eq(p[0].Shape()) || !in[2].Eq(p[1].Shape()) || !in[3].Eq(in[1]) {
		return nil, mismatch("qkv [N, (Heads + 2·KVHeads)·D], out [N, Heads·D], lse [Heads·N], dout [N, Heads·D] and offsets", in...)
	}
	return in[0].Clone(), nil
}

func (k AttentionGrad) compute(out []float64, in operands) {
	rows, width := in.shapes[0][0], in.shapes[0][1]
	ref.AttentionGrad(out, in.floats[0], in.floats[1], in.floats[2], in.floats[3], in.ints[4],
		rows, k.Heads, k.KVHeads, Attention(k).HeadDim(width))
}
