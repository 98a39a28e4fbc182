package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// bf16 rounds to the nearest bfloat16, of two equally near ones to the even one.
func bf16(x float32) uint16 {
	bits := math.Float32bits(x)
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

func fromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// inBF16 rounds x [rows, columns] in place and returns it on the device, converted by the kernel.
func inBF16(t testing.TB, x []float32, rows, columns int) kernels.Pointer {
	t.Helper()
	dst := room(t, rows*kernels.PitchBF16(columns), 2)
	launch(t, kernels.ToBF16(dst, upload(t, x), rows, columns))
	for i, v := range x {
		x[i] = fromBF16(bf16(v))
	}
	return dst
}

func TestToBF16RoundsToTheNearest(t *testing.T) {
	for _, c := range []struct{ rows, columns int }{{1, 1}, {5, 7}, {3, 132}, {9, 259}, {2, 1024}} {
		subtest(t, func(t *testing.T) {
			x := newSource(c.rows).normals(c.rows * c.columns)
			x[0] = 1 + 1.0/256 // halfway between two
			dst := inBF16(t, x, c.rows, c.columns)
			pitch := kernels.PitchBF16(c.columns)
			for i := range c.rows {
				got := make([]uint16, c.columns)
				download(t, dst+kernels.Pointer(2*i*pitch), got)
				for j, h := range got {
					if fromBF16(h) != x[i*c.columns+j] {
						t.Fatalf("row %d, column %d is %g, expected %g", i, j, fromBF16(h), x[i*c.columns+j])
					}
				}
			}
		}, c)
	}
}

func TestMatMulBF16InBothTiles(t *testing.T) {
	sides := func(trans bool, rows, columns int) (int, int) {
		if trans {
			return columns, rows
		}
		return rows, columns
	}
	for i, p := range products() {
		for _, tile := range []int{64, 128} {
			subtest(t, func(t *testing.T) {
				s := newSource(i)
				a, b, bias := s.normals(p.M*p.K), s.normals(p.K*p.N), s.normals(p.N)
				rows, columns := sides(p.TransA, p.M, p.K)
				pa := inBF16(t, a, rows, columns)
				rows, columns = sides(p.TransB, p.K, p.N)
				pb := inBF16(t, b, rows, columns)
				c, pitch := roomForFloats(t, p.M*p.N), kernels.PitchBF16(p.N)
				var pbias, activated kernels.Pointer
				if i/4%2 == 0 {
					pbias = upload(t, bias)
				} else {
					bias = nil
				}
				if i/4%3 < 2 {
					activated = room(t, p.M*pitch, 2)
				}
				launch(t, kernels.MatMulBF16InTiles(c, activated, pa, pb, pbias, p, tile))
				got, want := downloadFloats(t, c, p.M*p.N), make([]float32, p.M*p.N)
				ref.MatMul(want, a, b, bias, p.M, p.N, p.K, p.TransA, p.TransB)
				// The inputs are rounded, their products exact, and the sums are rounded as in float32.
				near(t, "c", got, want, 1e-6, math.Sqrt(float64(p.K)))
				if activated == 0 {
					return
				}
				ref.GELU(want, got)
				for i := range p.M {
					half := make([]uint16, p.N)
					download(t, activated+kernels.Pointer(2*i*pitch), half)
					for j, h := range half {
						got[i*p.N+j] = fromBF16(h)
					}
				}
				near(t, "activated", got, want, 1.0/256, 1e-5) // half a unit of 8 bits
			}, fmt.Sprintf("%+v ", p), tile)
		}
	}
}
