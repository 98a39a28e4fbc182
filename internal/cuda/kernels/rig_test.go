package kernels_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
)

// device is the emulated GPU of all tests, and modules what it has loaded: a module for each kernel.
var (
	device  *ptx.Device
	modules = map[string]*ptx.Module{}
)

// How the schedule is shuffled, and how many goroutines share blocks: what tests find must not depend on them.
var (
	seed    = flag.Uint64("seed", 1, "seed of the order in which the emulator runs blocks and warps")
	workers = flag.Int("workers", 0, "goroutines that run blocks; 0: as many as there are processors")
)

// endless is how many instructions a warp executes before the emulator calls it endless: several times what any test needs, and soon enough
// for a mutant that loops.
const endless = 1 << 22

// TestMain holds the tests to what they must do together, after they all ran: execute every instruction, find slips in the kernels, and give
// the same bits whatever the schedule.
func TestMain(m *testing.M) {
	flag.Parse()
	device = ptx.NewDevice(ptx.Options{Seed: *seed, Workers: *workers, Budget: endless})
	code := m.Run()
	given := func(name string) bool { return flag.Lookup("test."+name).Value.String() != "" }
	if everything := !given("run") && !given("skip") && !given("list"); everything && code == 0 {
		checks := []func() error{everythingExecuted}
		if !testing.Short() {
			checks = append(checks, slipsAreFound, schedulesAgree) // which run tests many times
		}
		for _, check := range checks {
			if err := check(); err != nil {
				fmt.Println("FAIL:", err)
				code = 1
			}
		}
	}
	if err := writeDigests(); err != nil {
		fmt.Println("FAIL:", err)
		code = 1
	}
	os.Exit(code)
}

// upload copies float32, int32, uint16 or structs of them to the device.
func upload(t testing.TB, data any) kernels.Pointer {
	t.Helper()
	raw, err := binary.Append(nil, binary.LittleEndian, data)
	if err != nil {
		t.Fatal(err)
	}
	p, err := device.Alloc(max(len(raw), 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := device.CopyIn(p, raw); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Free(p) })
	return kernels.Pointer(p)
}

// room is memory for n values of a number of bytes, never written: a kernel that reads it before it writes it is reported.
func room(t testing.TB, n, bytes int) kernels.Pointer {
	t.Helper()
	p, err := device.Alloc(n * bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Free(p) })
	return kernels.Pointer(p)
}

func roomForFloats(t testing.TB, n int) kernels.Pointer { t.Helper(); return room(t, n, 4) }

// download reads values that were computed on the device into data, a slice; a value that was never written is an error.
func download(t testing.TB, p kernels.Pointer, data any) {
	t.Helper()
	raw := make([]byte, binary.Size(data))
	if err := device.CopyOut(raw, ptx.Address(p)); err != nil {
		t.Fatal(err)
	}
	digest(t, raw)
	if _, err := binary.Decode(raw, binary.LittleEndian, data); err != nil {
		t.Fatal(err)
	}
}

func downloadFloats(t testing.TB, p kernels.Pointer, n int) []float32 {
	t.Helper()
	x := make([]float32, n)
	download(t, p, x)
	return x
}

// launch runs kernels one after the other. Races, reads of what was never written, bounds and all else that the emulator checks fail the
// test.
func launch(t testing.TB, launches ...kernels.Launch) (moved traffic) {
	t.Helper()
	for _, l := range launches {
		m := modules[l.Kernel]
		if m == nil {
			var err error
			if m, err = device.Load(l.Source+".ptx", kernelText(l.Source, l.Kernel)); err != nil {
				t.Fatal(err)
			}
			modules[l.Kernel] = m
		}
		k, err := m.Kernel(l.Kernel)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.AllowShared(l.Shared); err != nil {
			t.Fatal(err)
		}
		args := make([]any, len(l.Args))
		for i, a := range l.Args {
			args[i] = a
			if p, ok := a.(kernels.Pointer); ok {
				args[i] = ptx.Address(p)
			}
		}
		c, err := device.Launch(k, ptx.Launch{Grid: l.Grid, Block: [3]int{l.Block, 1, 1}, Shared: l.Shared, Args: args})
		if err != nil {
			t.Fatal(err)
		}
		moved.bytes += 32 * c.Sectors()
		_, conflicts := c.BankConflicts()
		moved.conflicts += conflicts
		note(t, l, c)
	}
	return moved
}

// traffic is what launches moved: bytes of global memory, in whole sectors of 32, and conflicts of banks of shared memory.
type traffic struct{ bytes, conflicts uint64 }

// source is a stream of numbers that is the same on every run.
type source struct{ *rand.Rand }

func newSource(seed int) source { return source{rand.New(rand.NewPCG(uint64(seed), 1))} }

// normals are n numbers of mean 0 and deviation 1.
func (s source) normals(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(s.NormFloat64())
	}
	return x
}

// ids are n numbers from -1, which is no row, to below.
func (s source) ids(n, below int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(s.IntN(below+1)) - 1
	}
	return x
}

// near fails the test where got is further from want than within·(size + |want|): size is the typical size of a term of the sums that want
// is made of, which rounding errors are in proportion to.
func near(t testing.TB, what string, got, want []float32, within, size float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, expected %d", what, len(got), len(want))
	}
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		if g != w && !(math.Abs(g-w) <= within*(size+math.Abs(w))) {
			t.Fatalf("%s: value %d is %g, expected %g within %g", what, i, g, w, within*(size+math.Abs(w)))
		}
	}
}

// subtest runs a test for one shape, named by its sizes.
func subtest(t *testing.T, test func(t *testing.T), sizes ...any) {
	t.Run(fmt.Sprint(sizes...), test)
}
