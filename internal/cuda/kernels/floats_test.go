package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
)

// types are those of a tensor of either, for subtests.
var types = []bool{false, true}

// conversion says which of a kernel's result and operand are in bfloat16.
type conversion struct{ to, from bool }

var pairsOfTypes = []conversion{{false, false}, {false, true}, {true, false}, {true, true}}

// round rounds what the result should be to its type.
func (c conversion) round(x []float32) {
	for i := range x {
		if c.to {
			x[i] = fromBF16(bf16(x[i]))
		}
	}
}

// uploadFloats copies x [rows, columns] to the device, in bfloat16 if asked: then x is rounded in place.
func uploadFloats(t testing.TB, x []float32, columns int, inBFloat16 bool) kernels.Floats {
	t.Helper()
	if inBFloat16 {
		return kernels.Floats{At: inBF16(t, x, len(x)/columns, columns), BF16: true}
	}
	return kernels.Floats{At: upload(t, x)}
}

// roomFor is room for a tensor [rows, columns], never written.
func roomFor(t testing.TB, rows, columns int, inBFloat16 bool) kernels.Floats {
	t.Helper()
	if inBFloat16 {
		return kernels.Floats{At: room(t, rows*kernels.PitchBF16(columns), 2), BF16: true}
	}
	return kernels.Floats{At: roomForFloats(t, rows*columns)}
}

// downloadRows reads a tensor [rows, columns].
func downloadRows(t testing.TB, x kernels.Floats, rows, columns int) []float32 {
	t.Helper()
	if !x.BF16 {
		return downloadFloats(t, x.At, rows*columns)
	}
	var all []float32
	for i := range rows {
		row := make([]uint16, columns)
		download(t, x.At+kernels.Pointer(2*i*kernels.PitchBF16(columns)), row)
		for _, h := range row {
			all = append(all, fromBF16(h))
		}
	}
	return all
}

// nearRows holds a tensor to what it should be as near does. One in bfloat16 is rounded to 8 binary digits, so by 1/256 at most.
func nearRows(t testing.TB, what string, x kernels.Floats, want []float32, columns int, within, size float64) {
	t.Helper()
	got := downloadRows(t, x, len(want)/columns, columns)
	if x.BF16 {
		const rounding = 1.0 / 256
		within, size = within+rounding, within*size/(within+rounding)
	}
	near(t, what, got, want, within, size)
}
