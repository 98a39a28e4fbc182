package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

func TestGatherCopiesRowsExactly(t *testing.T) {
	for _, c := range []struct{ rows, width, table int }{{1, 1, 1}, {5, 7, 3}, {4, 128, 9}, {33, 132, 50}, {3, 259, 2}, {2, 1024, 3}} {
		subtest(t, func(t *testing.T) {
			s := newSource(c.rows)
			table, ids := s.normals(c.table*c.width), s.ids(c.rows, c.table)
			dst := roomForFloats(t, c.rows*c.width)
			launch(t, kernels.Gather(dst, upload(t, table), upload(t, ids), c.rows, c.width))
			want := make([]float32, c.rows*c.width)
			ref.Gather(want, table, ids, c.width)
			near(t, "dst", downloadFloats(t, dst, len(want)), want, 0, 0)
		}, c)
	}
}
