package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// A sum of n numbers near 1 in strips of at most n/8 is off by some √n roundings of 6e-8 of partial sums near √n.
const sumError = 2e-6

func TestSumRowsOfAnyNumberOfParts(t *testing.T) {
	for _, c := range []struct{ rows, width int }{{1, 1}, {7, 33}, {128, 32}, {129, 5}, {1000, 67}, {140, 64}} {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				x, want := newSource(c.rows).normals(c.rows*c.width), make([]float32, c.width)
				dst, parts := roomForFloats(t, c.width), roomForFloats(t, kernels.RowParts(c.rows)*c.width)
				launch(t, kernels.SumRows(dst, uploadFloats(t, x, c.width, inBF16), parts, c.rows, c.width)...)
				ref.SumRows(want, x, c.rows, c.width)
				near(t, "sum", downloadFloats(t, dst, c.width), want, sumError, 10)
			}, c, inBF16)
		}
	}
}

func TestWeightedSumMatchesTheReference(t *testing.T) {
	for _, n := range []int{1, 31, 1024, 5003} {
		subtest(t, func(t *testing.T) {
			s := newSource(n)
			x, weight, dst := s.normals(n), s.normals(n), roomForFloats(t, 1)
			launch(t, kernels.WeightedSum(dst, upload(t, x), upload(t, weight), n))
			near(t, "sum", downloadFloats(t, dst, 1), []float32{ref.Dot(x, weight)}, sumError, 10)
		}, n)
	}
}
