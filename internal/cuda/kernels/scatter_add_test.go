package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// The kernel adds in the order of the reference, so that the bits are equal.
func TestScatterAddAddsInTheOrderOfTheRows(t *testing.T) {
	cases := []struct{ rows, width, table int }{
		{1, 1, 1}, {5, 7, 3}, {300, 3, 2}, {257, 260, 11}, {40, 5, 1100}, {512, 1, 40}, {70, 5, 2102},
	}
	for _, c := range cases {
		subtest(t, func(t *testing.T) {
			s := newSource(c.rows)
			dy, ids := s.normals(c.rows*c.width), s.ids(c.rows, c.table)
			dst := roomForFloats(t, c.table*c.width)
			launch(t, kernels.ScatterAdd(dst, upload(t, dy), upload(t, ids), c.rows, c.table, c.width))
			want := make([]float32, c.table*c.width)
			ref.ScatterAdd(want, dy, ids, c.width)
			near(t, "dst", downloadFloats(t, dst, len(want)), want, 0, 0)
		}, c)
	}
}
