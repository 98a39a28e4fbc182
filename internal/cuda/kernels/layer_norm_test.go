package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

const normEpsilon = 1e-5

// normShapes have rows of fewer and as many columns as a block holds, and of those that 4 does not divide or that are too many; so
// many rows that a block takes several, and fewer.
var normShapes = []struct{ rows, width int }{
	{1, 1}, {530, 7}, {40, 65}, {2, 12296}, {5, 4}, {530, 32}, {3, 768}, {1, 12288},
	{2, 132}, {2, 260}, {2, 388}, {2, 516}, {2, 644}, // whose last column is in each of the pieces that a thread holds
}

func TestLayerNormMatchesTheReference(t *testing.T) {
	for _, c := range normShapes {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				s := newSource(c.rows)
				x, gamma, beta := awayFromZero(s.normals(c.rows*c.width)), s.normals(c.width), s.normals(c.width)
				dst := roomFor(t, c.rows, c.width, inBF16)
				launch(t, kernels.LayerNorm(dst, upload(t, x), upload(t, gamma), upload(t, beta), c.rows, c.width, normEpsilon))
				want := make([]float32, len(x))
				ref.LayerNorm(want, x, gamma, beta, c.rows, c.width, normEpsilon)
				// The mean, near 20, is rounded to 2e-6.
				nearRows(t, "dst", dst, want, c.width, 5e-6, 2)
			}, c, inBF16)
		}
	}
}

// The gradient is added to what came along the residual path, in place, or is all there is; and there is a copy of it, or not.
func TestLayerNormGradMatchesTheReference(t *testing.T) {
	for _, c := range normShapes {
		for _, inBF16 := range types {
			for _, with := range []struct{ addend, copy bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
				subtest(t, func(t *testing.T) {
					s, n := newSource(c.rows), c.rows*c.width
					x, gamma, dy, addend := awayFromZero(s.normals(n)), s.normals(c.width), s.normals(n), s.normals(n)
					g := kernels.LayerNormGradient{
						DX: roomForFloats(t, n), DGamma: roomForFloats(t, c.width), DBeta: roomForFloats(t, c.width),
						X: upload(t, x), Gamma: upload(t, gamma), DY: uploadFloats(t, dy, c.width, inBF16),
						Scratch: roomForFloats(t, kernels.LayerNormScratch(c.rows, c.width)),
					}
					if with.addend {
						g.DX = upload(t, addend)
						g.Addend = g.DX
					}
					if with.copy {
						g.Copy = roomFor(t, c.rows, c.width, true).At
					}
					launch(t, kernels.LayerNormGrad(g, c.rows, c.width, normEpsilon)...)

					want, wantGamma, wantBeta := make([]float32, n), make([]float32, c.width), make([]float32, c.width)
					ref.LayerNormGrad(want, wantGamma, wantBeta, x, gamma, dy, c.rows, c.width, normEpsilon)
					if with.addend {
						ref.Add(want, want, addend)
					}
					if with.copy {
						nearRows(t, "copy", kernels.Floats{At: g.Copy, BF16: true}, want, c.width, 1e-5, 3)
					}
					near(t, "dx", downloadFloats(t, g.DX, n), want, 1e-5, 3)
					near(t, "dgamma", downloadFloats(t, g.DGamma, c.width), wantGamma, 5e-6, 10)
					near(t, "dbeta", downloadFloats(t, g.DBeta, c.width), wantBeta, sumError, 10)
				}, c, inBF16, with)
			}
		}
	}
}

// awayFromZero gives x a mean that would drown the variance of the short formula.
func awayFromZero(x []float32) []float32 {
	for i := range x {
		x[i] += 20
	}
	return x
}
