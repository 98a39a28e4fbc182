package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// lengths are fewer elements than a thread takes, whole and partial threads and blocks.
var lengths = []int{1, 3, 4, 1023, 1024, 2053}

func TestAddAndScaleRoundAsTheReferenceDoes(t *testing.T) {
	for _, n := range lengths {
		subtest(t, func(t *testing.T) {
			s := newSource(n)
			a, b, want := s.normals(n), s.normals(n), make([]float32, n)
			sum, scaled := roomForFloats(t, n), upload(t, a)
			launch(t, kernels.Add(sum, scaled, upload(t, b), n), kernels.Scale(scaled, scaled, upload(t, float32(-0.7)), n))
			ref.Add(want, a, b)
			near(t, "sum", downloadFloats(t, sum, n), want, 0, 0)
			ref.Scale(want, a, -0.7)
			near(t, "in place", downloadFloats(t, scaled, n), want, 0, 0)
		}, n)
	}
}
