package cuda_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/internal/op"
	"trainer/internal/vm"
)

// scaled is a program that multiplies a vector by a number, both written before a run.
type scaled struct {
	machine   *vm.VM
	x, factor *gorgonia.Node
	result    *gorgonia.Node
}

func newScaled(t *testing.T, b vm.Backend, n int) *scaled {
	t.Helper()
	g := gorgonia.NewGraph()
	s := &scaled{x: gorgonia.NewVector(g, tensor.Float32, gorgonia.WithShape(n), gorgonia.WithName("x")),
		factor: gorgonia.NewScalar(g, tensor.Float32, gorgonia.WithName("factor"))}
	var err error
	if s.result, err = op.Apply(op.Scale{}, s.x, s.factor); err != nil {
		t.Fatal(err)
	}
	p, err := vm.Compile(s.result)
	if err != nil {
		t.Fatal(err)
	}
	if s.machine, err = vm.New(p, vm.NewWorkspace(b)); err != nil {
		t.Fatal(err)
	}
	return s
}

// start queues a run on a vector filled with x.
func (s *scaled) start(t *testing.T, x, factor float32) {
	t.Helper()
	data := make([]float32, s.machine.Memory(s.x).Size()/4)
	for i := range data {
		data[i] = x
	}
	// The host's memory is its own again when Write returns.
	for _, in := range []struct {
		node *gorgonia.Node
		data []float32
	}{{s.x, data}, {s.factor, []float32{factor}}} {
		if err := s.machine.Memory(in.node).Write(vm.Bytes(in.data)); err != nil {
			t.Fatal(err)
		}
		clear(in.data)
	}
	if err := s.machine.RunAll(); err != nil {
		t.Fatal(err)
	}
}

// The emulator runs streams as late as it may, in an order of the seed's choice, and says where two streams touch the same memory without
// an order between them.
func TestInputsOfManyRunsAheadArriveInTheirRuns(t *testing.T) {
	const runs = 7
	for seed := range uint64(4) {
		b := open(t, emulated.Options{Seed: seed}, cuda.Options{})
		defer b.Close()
		s := newScaled(t, b, 33)
		var fetches [2]vm.Fetch
		for i := range fetches {
			var err error
			if fetches[i], err = b.NewFetch(); err != nil {
				t.Fatal(err)
			}
		}
		check := func(run int) {
			parts, err := fetches[run%2].Wait()
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range vm.Float32s(parts[0]) {
				if want := float32(run * 10); v != want {
					t.Fatalf("seed %d: run %d gives %v, expected %v", seed, run, vm.Float32s(parts[0]), want)
				}
			}
		}
		for run := range runs {
			if run >= 2 {
				check(run - 2)
			}
			s.start(t, float32(run), 10)
			if err := fetches[run%2].Start(s.machine.Memory(s.result)); err != nil {
				t.Fatal(err)
			}
		}
		check(runs - 2)
		check(runs - 1)
	}
}

func TestWritesLargerThanAPieceArriveInFull(t *testing.T) {
	b := open(t, emulated.Options{}, cuda.Options{})
	defer b.Close()
	const size = 2<<20 + 12 // three pieces
	want := make([]byte, size)
	for i := 0; i < size; i += 4 {
		binary.LittleEndian.PutUint32(want[i:], uint32(i)*2654435761)
	}
	m, err := b.Allocate(size)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write(want); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, size)
	if err := m.Read(got); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("byte %d is %d, expected %d", i, got[i], want[i])
		}
	}
}

// A Fetch outlives the memory of larger ones.
func TestAFetchGrows(t *testing.T) {
	b := open(t, emulated.Options{}, cuda.Options{})
	defer b.Close()
	f, err := b.NewFetch()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 100, 3, 5000} {
		x, y := numbers(n, 1), numbers(3, 2)
		if err := f.Start(memoryOf(t, b, x), memoryOf(t, b, y)); err != nil {
			t.Fatal(err)
		}
		parts, err := f.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(vm.Float32s(parts[0]), vm.Float32s(parts[1])), fmt.Sprint(x, y); got != want {
			t.Errorf("fetched %.80s, expected %.80s", got, want)
		}
	}
}
