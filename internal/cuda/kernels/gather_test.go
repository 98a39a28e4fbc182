package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

func TestGatherCopiesRowsExactly(t *testing.T) {
	cases := []struct{ rows, width, table int }{
		{1, 1, 1}, {5, 7, 3}, {4, 128, 9}, {33, 132, 50}, {3, 20, 2}, {3, 259, 2}, {2, 1024, 3},
	}
	for _, c := range cases {
		for _, types := range pairsOfTypes {
			subtest(t, func(t *testing.T) {
				s := newSource(c.rows)
				table, ids := s.normals(c.table*c.width), s.ids(c.rows, c.table)
				ids[c.rows-1] = -1
				dst, from := roomFor(t, c.rows, c.width, types.to), uploadFloats(t, table, c.width, types.from)
				launch(t, kernels.Gather(dst, from, upload(t, ids), c.rows, c.width))
				want := make([]float32, c.rows*c.width)
				ref.Gather(want, table, ids, c.width)
				types.round(want)
				near(t, "dst", downloadRows(t, dst, c.rows, c.width), want, 0, 0)
			}, c, types)
		}
	}
}
