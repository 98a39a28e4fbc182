//go:build linux && !noasm

package kernel

import (
	"testing"

	"trainer/internal/ref"
)

// A kernel that touches memory behind the end of an array kills the test with a segmentation fault.
func TestElementwiseKernelsStayInsideTheirSlices(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		array := gemmGuarded(t)
		for n := 1; n <= 67; n++ {
			x, y, z, w := array(n), array(n), array(n), array(n)
			s.Add(x, y, z)
			s.Scale(x, y, 2)
			s.Dot(x, y)
			s.SumSquares(x)
			s.GELU(x, y)
			s.GELUGrad(x, y, z)
			s.AdamW(&ref.AdamW{Correction1: 1, Correction2: 1}, x, y, z, w)
			s.SGD(x, y, 1)

			const rows = 5
			dst, from, dy := array(rows*n), array(rows*n), array(rows*n)
			s.SumRows(x, from, rows, n)
			s.LayerNorm(dst, from, x, y, rows, n, epsilon)
			s.LayerNormGrad(dst, x, y, from, z, dy, rows, n, epsilon)
			s.RMSNorm(dst, from, x, rows, n, epsilon)
			s.RMSNormGrad(dst, x, from, z, dy, rows, n, epsilon)
			s.SwiGLU(dst, array(2*rows*n), rows, n)
			s.SwiGLUGrad(array(2*rows*n), array(2*rows*n), dy, rows, n)
			s.ScatterAdd(from, dy, []int32{4, 0, 4, 1, 2}, n)
			targets := []int32{int32(n) - 1, 0, -1, 0, 0}
			nll, lse, hit := array(rows), array(rows), array(rows)
			s.CrossEntropy(nll, lse, hit, from, targets, n)
			s.CrossEntropyGrad(dst, from, lse, nll, targets, n)
			s.Dropout(dst, from, []int32{1, 2}, []int32{4, 0, 4, 1, 2}, n, 1, 0.1)
			s.Rotary(array(2*n), array(2*n), array(n), array(n), []int32{0}, 2*n, 1, 2*n, false)
		}
	})
}
