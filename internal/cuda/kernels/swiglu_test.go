package kernels_test

import (
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

func TestSwiGLUAndItsGradientMatchTheReference(t *testing.T) {
	for _, c := range []struct{ rows, hidden int }{{1, 1}, {3, 7}, {5, 4}, {67, 44}, {2, 1030}, {3, 512}} {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				s, n := newSource(c.rows), c.rows*c.hidden
				x, dy := s.normals(2*n), s.normals(n)
				for i := range x {
					x[i] *= 3 // into both tails
				}
				px, pdy := uploadFloats(t, x, 2*c.hidden, inBF16), uploadFloats(t, dy, c.hidden, inBF16)
				dst, want := roomFor(t, c.rows, c.hidden, inBF16), make([]float32, n)
				launch(t, kernels.SwiGLU(dst, px, c.rows, c.hidden))
				ref.SwiGLU(want, x, c.rows, c.hidden)
				nearRows(t, "dst", dst, want, c.hidden, 1e-6, 1)

				launch(t, kernels.SwiGLUGrad(px, px, pdy, c.rows, c.hidden))
				wantX := make([]float32, 2*n)
				ref.SwiGLUGrad(wantX, x, dy, c.rows, c.hidden)
				nearRows(t, "dx in place", px, wantX, 2*c.hidden, 2e-6, 1)
			}, c, inBF16)
		}
	}
}

func TestSwiGLUKeepsWhatIsNoNumber(t *testing.T) {
	x := []float32{float32(math.NaN()), float32(math.Inf(1)), 1e20, -1e20, 0, 1, 1, 1, 1, 1} // gates, and 1 for each
	y, dx := roomForFloats(t, 5), roomForFloats(t, 10)
	launch(t, kernels.SwiGLU(kernels.Floats{At: y}, kernels.Floats{At: upload(t, x)}, 1, 5))
	launch(t, kernels.SwiGLUGrad(kernels.Floats{At: dx}, kernels.Floats{At: upload(t, x)}, kernels.Floats{At: upload(t, x[5:])}, 1, 5))
	value, slope := downloadFloats(t, y, 5), downloadFloats(t, dx, 10)
	if value[0] == value[0] || slope[0] == slope[0] {
		t.Errorf("of NaN: %g with slope %g, expected NaN", value[0], slope[0])
	}
	near(t, "value", value[1:], []float32{x[1], 1e20, 0, 0}, 0, 0)
	near(t, "slope", slope[2:5], []float32{1, 0, 0.5}, 0, 0)
}
