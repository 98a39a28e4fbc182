package op

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// Rotary turns the queries and keys of qkv [N, (Heads + 2·KVHeads)·D] by their positions [N] (see ref.Rotary): the first Heads + KVHeads
// head vectors of a row, whose remaining columns, the values, are copied. Positions are below Context. Inverse turns back.
type Rotary struct {
	Heads, KVHeads, Context int
	Base                    float64
	Inverse                 bool
}

// Turned is the number of heads that are turned, HeadDim their size D in rows of qkv of the given width.
func (k Rotary) Turned() int           { return k.Heads + k.KVHeads }
func (k Rotary) HeadDim(width int) int { return width / qkvHeads(k.Heads, k.KVHeads) }

// Angles is the table that backends look the angles up in: their cosines and sines [Context, headDim/2], row p holding those of position p,
// p·Base^(-2i/headDim).
func (k Rotary) Angles(headDim int) (cosine, sine []float32) {
	half := headDim / 2
	cosine, sine = make([]float32, k.Context*half), make([]float32, k.Context*half)
	for i := range half {
		frequency := math.Pow(k.Base, -2*float64(i)/float64(headDim))
		for position := range k.Context {
			sin, cos := math.Sincos(float64(position) * frequency)
			sine[position*half+i], cosine[position*half+i] = float32(sin), float32(cos)
		}
	}
	return cosine, sine
}

func (Rotary) signature() signature {
	return signature{in: []value{floats(2), ints(1)}, out: floats(2)}
}

func (k Rotary) shape(in []tensor.Shape) (tensor.Shape, error) {
	if heads := qkvHeads(k.Heads, k.KVHeads); in[0][0] != in[1][0] || heads < 1 || in[0][1]%(2*heads) != 0 {
		return nil, mismatch(fmt.Sprintf("qkv [N, %d·even] and positions [N]", heads), in...)
	}
	return in[0].Clone(), nil
}

func (k Rotary) compute(out []float64, in operands) {
	width := in.shapes[0][1]
	ref.Rotary(out, in.floats[0], in.ints[1], width, k.Turned(), k.HeadDim(width), k.Base, k.Inverse)
}

func (Rotary) overwrites() []int { return []int{0} }
func (Rotary) wrt() []bool       { return []bool{true, false} }

func (k Rotary) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	k.Inverse = !k.Inverse
	g, err := Apply(k, grad, in[1])
	return gorgonia.Nodes{g, nil}, err
}
