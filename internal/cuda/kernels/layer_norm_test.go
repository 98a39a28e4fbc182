package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

func TestLayerNormAndItsGradientMatchTheReference(t *testing.T) {
	const epsilon = 1e-5
	for _, c := range []struct{ rows, width int }{{1, 1}, {3, 7}, {5, 32}, {130, 31}, {300, 65}, {2, 768}} {
		subtest(t, func(t *testing.T) {
			s := newSource(c.rows)
			n := c.rows * c.width
			x, gamma, beta, dy := s.normals(n), s.normals(c.width), s.normals(c.width), s.normals(n)
			for i := range x {
				x[i] += 20 // a mean that would drown the variance of the short formula
			}
			px, pgamma := upload(t, x), upload(t, gamma)
			dst, dx, dgamma, dbeta := roomForFloats(t, n), roomForFloats(t, n), roomForFloats(t, c.width), roomForFloats(t, c.width)
			scratch := roomForFloats(t, kernels.LayerNormScratch(c.rows, c.width))
			launch(t, kernels.LayerNorm(dst, px, pgamma, upload(t, beta), c.rows, c.width, epsilon))
			launch(t, kernels.LayerNormGrad(dx, dgamma, dbeta, px, pgamma, upload(t, dy), scratch, c.rows, c.width, epsilon)...)

			want, wantGamma, wantBeta := make([]float32, n), make([]float32, c.width), make([]float32, c.width)
			ref.LayerNorm(want, x, gamma, beta, c.rows, c.width, epsilon)
			// The mean, near 20, is rounded to 2e-6.
			near(t, "dst", downloadFloats(t, dst, n), want, 5e-6, 2)
			ref.LayerNormGrad(want, wantGamma, wantBeta, x, gamma, dy, c.rows, c.width, epsilon)
			near(t, "dx", downloadFloats(t, dx, n), want, 1e-5, 2)
			near(t, "dgamma", downloadFloats(t, dgamma, c.width), wantGamma, 5e-6, 10)
			near(t, "dbeta", downloadFloats(t, dbeta, c.width), wantBeta, sumError, 10)
		}, c)
	}
}
