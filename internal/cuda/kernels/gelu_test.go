package kernels_test

import (
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

func TestGELUAndItsGradientMatchTheReference(t *testing.T) {
	for _, n := range lengths {
		subtest(t, func(t *testing.T) {
			s := newSource(n)
			x, dy, want := s.normals(n), s.normals(n), make([]float32, n)
			for i := range x {
				x[i] *= 3 // into both tails
			}
			y, dx := roomForFloats(t, n), upload(t, dy)
			launch(t, kernels.GELU(y, upload(t, x), n), kernels.GELUGrad(dx, upload(t, x), dx, n))
			// An error of 1e-7·|u| of the exponent's argument is one of the result, |u| being up to 30 where it matters.
			ref.GELU(want, x)
			near(t, "gelu", downloadFloats(t, y, n), want, 3e-6, 0.01)
			ref.GELUGrad(want, x, dy)
			near(t, "gradient in place", downloadFloats(t, dx, n), want, 3e-6, 0.1)
		}, n)
	}
}

func TestGELUKeepsWhatIsNoNumber(t *testing.T) {
	x := []float32{float32(math.NaN()), float32(math.Inf(1)), 1e20, -1e20, 0}
	ones := []float32{1, 1, 1, 1, 1}
	y, dx := roomForFloats(t, 5), roomForFloats(t, 5)
	launch(t, kernels.GELU(y, upload(t, x), 5), kernels.GELUGrad(dx, upload(t, x), upload(t, ones), 5))
	value, slope := downloadFloats(t, y, 5), downloadFloats(t, dx, 5)
	if value[0] == value[0] || slope[0] == slope[0] {
		t.Errorf("of NaN: %g with slope %g, expected NaN", value[0], slope[0])
	}
	near(t, "gelu", value[1:], []float32{x[1], 1e20, 0, 0}, 0, 0)
	near(t, "slope", slope[1:], []float32{1, 1, 0, 0.5}, 0, 0)
}
