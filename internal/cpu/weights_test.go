package cpu

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/cpu/kernel"
	"trainer/internal/op"
	"trainer/internal/vm"
)

// layer runs y = x·w + b, and the product of y with the transpose of w, on a backend; x is [rows, in], w [in, out].
func layer(t *testing.T, backend *Backend, x, w, b []float32, rows, in, out int) []float32 {
	t.Helper()
	g := gorgonia.NewGraph()
	node := func(name string, data []float32, shape ...int) *gorgonia.Node {
		v := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
		return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name), gorgonia.WithValue(v))
	}
	input := gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(rows, in), gorgonia.WithName("x"))
	weight := node("w", w, in, out)
	y, err := op.Linear(input, weight, node("b", b, out), false)
	if err != nil {
		t.Fatal(err)
	}
	z, err := op.Linear(y, weight, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	program, err := vm.Compile(z)
	if err != nil {
		t.Fatal(err)
	}
	m, err := vm.New(program, vm.NewWorkspace(backend))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Memory(input).Write(vm.Bytes(x)); err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), vm.Float32s(m.Memory(z).Host())[:rows*in]...)
}

// Two products read w in two ways and so have two copies, which programs of other shapes share, and what x is multiplied by is no copy of x.
func TestPackedWeightsAreCopiedOnceForAllPrograms(t *testing.T) {
	const in, out = 96, 200
	random := rand.New(rand.NewPCG(1, 2))
	floats := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		return x
	}
	w, b := floats(in*out), floats(out)
	configurations(t, func(t *testing.T, threads int, set *kernel.Set) {
		for kind, tolerance := range map[kernel.WeightType]float64{kernel.BF16: 1.0 / 256, kernel.Int8: 1.0 / 127} {
			plain, packed := New(threads, set), New(threads, set)
			defer plain.Close()
			defer packed.Close()
			packed.Pack(kind)
			var first map[packedKey]*kernel.Weights
			for _, rows := range []int{1, 7, 40} {
				x := floats(rows * in)
				want, got := layer(t, plain, x, w, b, rows, in, out), layer(t, packed, x, w, b, rows, in, out)
				// Each product is a sum of independent errors, relative to its size; both together are well within the largest of one weight.
				var size, apart float64
				for i := range want {
					size += float64(want[i]) * float64(want[i])
					apart += math.Pow(float64(want[i]-got[i]), 2)
				}
				if off := math.Sqrt(apart / size); off > tolerance || off == 0 {
					t.Errorf("%v, %d rows: apart by %.3g of the size, want more than 0, and at most %.3g", kind, rows, off, tolerance)
				}
				if first == nil {
					first = maps.Clone(packed.packing.copies)
				}
			}
			if !maps.Equal(packed.packing.copies, first) || len(first) != 2 {
				t.Errorf("%v: %d copies became %d, want the same two", kind, len(first), len(packed.packing.copies))
			}
			if want := kernel.NewWeights(kind, in, out).Bytes() + kernel.NewWeights(kind, out, in).Bytes(); packed.Packed() != want {
				t.Errorf("%v: packed copies take %d bytes, want %d", kind, packed.Packed(), want)
			}
			if plain.Packed() != 0 {
				t.Errorf("without Pack, copies take %d bytes", plain.Packed())
			}
		}
	})
}
