package kernels_test

import (
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
)

// bf16 rounds to the nearest bfloat16, of two equally near ones to the even one.
func bf16(x float32) uint16 {
	bits := math.Float32bits(x)
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

func fromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// inBF16 rounds x [rows, columns] in place and returns it on the device, converted by the kernel: what lies between rows stays unwritten.
func inBF16(t testing.TB, x []float32, rows, columns int) kernels.Pointer {
	t.Helper()
	dst := room(t, rows*kernels.PitchBF16(columns), 2)
	launch(t, kernels.ToBF16(dst, upload(t, x), rows, columns))
	for i, v := range x {
		x[i] = fromBF16(bf16(v))
	}
	return dst
}

// downloadBF16 reads a matrix in bfloat16.
func downloadBF16(t testing.TB, p kernels.Pointer, rows, columns int) []float32 {
	t.Helper()
	var x []float32
	for i := range rows {
		row := make([]uint16, columns)
		download(t, p+kernels.Pointer(2*i*kernels.PitchBF16(columns)), row)
		for _, h := range row {
			x = append(x, fromBF16(h))
		}
	}
	return x
}

func TestToBF16RoundsToTheNearest(t *testing.T) {
	for _, c := range []struct{ rows, columns int }{{1, 1}, {5, 7}, {3, 132}, {9, 259}, {2, 1024}} {
		subtest(t, func(t *testing.T) {
			x := newSource(c.rows).normals(c.rows * c.columns)
			x[0] = 1 + 1.0/256 // halfway between two
			dst := inBF16(t, x, c.rows, c.columns)
			near(t, "dst", downloadBF16(t, dst, c.rows, c.columns), x, 0, 0)
		}, c)
	}
}
