package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

func TestRMSNormMatchesTheReference(t *testing.T) {
	for _, c := range normShapes {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				s := newSource(c.rows)
				x, gamma, dst := s.normals(c.rows*c.width), s.normals(c.width), roomFor(t, c.rows, c.width, inBF16)
				launch(t, kernels.RMSNorm(dst, upload(t, x), upload(t, gamma), c.rows, c.width, normEpsilon))
				want := make([]float32, len(x))
				ref.RMSNorm(want, x, gamma, c.rows, c.width, normEpsilon)
				nearRows(t, "dst", dst, want, c.width, 1e-6, 1)
			}, c, inBF16)
		}
	}
}

// The gradient is added to what came along the residual path, in place, or is all there is; and there is a copy of it, or not.
func TestRMSNormGradMatchesTheReference(t *testing.T) {
	for _, c := range normShapes {
		for _, inBF16 := range types {
			for _, with := range []struct{ addend, copy bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
				subtest(t, func(t *testing.T) {
					s, n := newSource(c.rows), c.rows*c.width
					x, gamma, dy, addend := s.normals(n), s.normals(c.width), s.normals(n), s.normals(n)
					g := kernels.RMSNormGradient{
						DX: roomForFloats(t, n), DGamma: roomForFloats(t, c.width), X: upload(t, x), Gamma: upload(t, gamma),
						DY: uploadFloats(t, dy, c.width, inBF16), Scratch: roomForFloats(t, kernels.RMSNormScratch(c.rows, c.width)),
					}
					if with.addend {
						g.DX = upload(t, addend)
						g.Addend = g.DX
					}
					if with.copy {
						g.Copy = roomFor(t, c.rows, c.width, true).At
					}
					launch(t, kernels.RMSNormGrad(g, c.rows, c.width, normEpsilon)...)

					want, wantGamma := make([]float32, n), make([]float32, c.width)
					ref.RMSNormGrad(want, wantGamma, x, gamma, dy, c.rows, c.width, normEpsilon)
					if with.addend {
						ref.Add(want, want, addend)
					}
					if with.copy {
						nearRows(t, "copy", kernels.Floats{At: g.Copy, BF16: true}, want, c.width, 1e-5, 3)
					}
					near(t, "dx", downloadFloats(t, g.DX, n), want, 1e-5, 3)
					near(t, "dgamma", downloadFloats(t, g.DGamma, c.width), wantGamma, sumError, 10)
				}, c, inBF16, with)
			}
		}
	}
}
