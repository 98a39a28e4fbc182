package kernels_test

import (
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

func TestRotaryTurnsHeadsAndBack(t *testing.T) {
	const base, context = 10000, 19
	cases := []struct{ rows, width, heads, headDim int }{
		{1, 2, 1, 2}, {5, 24, 2, 8}, {3, 16, 2, 8}, {9, 101, 3, 32}, {4, 24, 1, 6}, {40, 700, 9, 64}, {2, 520, 1, 2},
	}
	for _, c := range cases {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				s, half := newSource(c.rows), c.headDim/2
				x, positions := s.normals(c.rows*c.width), make([]int32, c.rows)
				for i := range positions {
					positions[i] = int32(s.IntN(context))
				}
				cosine, sine := make([]float32, context*half), make([]float32, context*half)
				for i := range cosine {
					sin, cos := math.Sincos(float64(i/half) * math.Pow(base, -2*float64(i%half)/float64(c.headDim)))
					cosine[i], sine[i] = float32(cos), float32(sin)
				}
				p, cos, sin := upload(t, positions), upload(t, cosine), upload(t, sine)
				turned, dst := uploadFloats(t, x, c.width, inBF16), roomFor(t, c.rows, c.width, inBF16)
				r := kernels.Rotation{Heads: c.heads, HeadDim: c.headDim}
				launch(t, kernels.Rotary(turned, turned, p, cos, sin, c.rows, c.width, r))
				want := make([]float32, len(x))
				ref.Rotary(want, x, positions, c.width, c.heads, c.headDim, base, false)
				// Two products and a sum of numbers near 1, whose factors are rounded: 4 roundings of 6e-8.
				nearRows(t, "in place", turned, want, c.width, 2.4e-7, 4)
				r.Inverse = true
				back := downloadRows(t, turned, c.rows, c.width)
				launch(t, kernels.Rotary(dst, turned, p, cos, sin, c.rows, c.width, r))
				ref.Rotary(back, back, positions, c.width, c.heads, c.headDim, base, true)
				nearRows(t, "turned back", dst, back, c.width, 2.4e-7, 4)
			}, c, inBF16)
		}
	}
}
