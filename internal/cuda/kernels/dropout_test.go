package kernels_test

import (
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// The mask is the same integers everywhere, and a product is rounded once.
func TestDropoutHasTheBitsOfTheReference(t *testing.T) {
	cases := []struct {
		rows, width int
		rate        float64
	}{
		{1, 1, 0.5}, {5, 7, 0.1}, {4, 128, 0.3}, {33, 132, 0.1}, {3, 20, 0}, {3, 259, 0.9}, {2, 1024, 0.5},
	}
	for _, c := range cases {
		for _, types := range pairsOfTypes {
			subtest(t, func(t *testing.T) {
				s := newSource(c.rows)
				x, addend := s.normals(c.rows*c.width), s.normals(c.rows*c.width)
				key, numbers := []int32{5, int32(-c.width)}, make([]int32, c.rows)
				for i := range numbers {
					numbers[i] = int32(s.Uint32())
				}
				from, dst := uploadFloats(t, x, c.width, types.from), roomFor(t, c.rows, c.width, types.to)
				m := kernels.Mask{Rate: c.rate, Salt: math.MaxUint32, Key: upload(t, key), Numbers: upload(t, numbers)}
				launch(t, kernels.Dropout(dst, from, 0, c.rows, c.width, m))
				want := make([]float32, len(x))
				ref.Dropout(want, x, key, numbers, c.width, m.Salt, c.rate)
				dropped := append([]float32(nil), want...)
				types.round(want)
				near(t, "dst", downloadRows(t, dst, c.rows, c.width), want, 0, 0)

				// In place of the addend: the product is not rounded ahead of the sum.
				sum := uploadFloats(t, addend, c.width, types.to)
				launch(t, kernels.Dropout(sum, from, sum.At, c.rows, c.width, m))
				ref.Add(dropped, dropped, addend)
				nearRows(t, "sum", sum, dropped, c.width, 1.2e-7, 1)

				if types.from == types.to {
					launch(t, kernels.Dropout(from, from, 0, c.rows, c.width, m))
					near(t, "in place", downloadRows(t, from, c.rows, c.width), want, 0, 0)
				}
			}, c, types)
		}
	}
}
