package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// The kernel adds in the order of the reference, so that the bits are equal; in bfloat16, where the sum is rounded once, too.
func TestScatterAddAddsInTheOrderOfTheRows(t *testing.T) {
	cases := []struct{ rows, width, table int }{
		{1, 1, 1}, {5, 7, 3}, {300, 3, 2}, {257, 260, 5}, {30, 5, 50}, {30, 4, 50}, {512, 1, 12}, {40, 136, 9},
	}
	for _, c := range cases {
		for _, types := range pairsOfTypes {
			subtest(t, func(t *testing.T) { checkScatterAdd(t, c.rows, c.width, c.table, types) }, c, types)
		}
	}
}

// A block counts for 512 rows of the table at most, so that 128 are too few for the larger of these.
func TestScatterAddToTablesOfManyRows(t *testing.T) {
	checkScatterAdd(t, 3000, 8, 200, conversion{})
	checkScatterAdd(t, 700, 1, 128*512+1, conversion{})
}

func checkScatterAdd(t *testing.T, rows, width, table int, types conversion) {
	s := newSource(rows)
	dy, ids := s.normals(rows*width), s.ids(rows, table)
	dst, from := roomFor(t, table, width, types.to), uploadFloats(t, dy, width, types.from)
	scratch := room(t, kernels.ScatterAddScratch(rows, table), 4)
	launch(t, kernels.ScatterAdd(dst, from, upload(t, ids), scratch, rows, table, width)...)
	want := make([]float32, table*width)
	ref.ScatterAdd(want, dy, ids, width)
	types.round(want)
	near(t, "dst", downloadRows(t, dst, table, width), want, 0, 0)
}
