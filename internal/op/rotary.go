package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// Rotary turns the queries and keys of qkv [N, 3C] by their positions [N] (see ref.Rotary): the first 2·Heads head vectors of
// a row, whose remaining C columns, the values, are copied. Positions are below Context. Inverse turns back.
type Rotary struct {
	Heads, Context int
	Base           float64
	Inverse        bool
}

func (Rotary) signature() signature {
	return signature{in: []value{floats(2), ints(1)}, out: floats(2)}
}

func (k Rotary) shape(in []tensor.Shape) (tensor.Shape, error) {
	if in[0][0] != in[1][0] || in[0][1]%(6*k.Heads) != 0 {
		return nil, mismatch(fmt.Sprintf("qkv [N, 3·%d·even] and positions [N]", k.Heads), in...)
	}
	return in[0].Clone(), nil
}

func (k Rotary) compute(out []float64, in operands) {
	width := in.shapes[0][1]
	ref.Rotary(out, in.floats[0], in.ints[1], width, 2*k.Heads, width/(3*k.Heads), k.Base, k.Inverse)
}

func (Rotary) overwrites() []int { return []int{0} }
func (Rotary) wrt() []bool       { return []bool{true, false} }

func (k Rotary) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	k.Inverse = !k.Inverse
	g, err := Apply(k, grad, in[1])
	return gorgonia.Nodes{g, nil}, err
}
