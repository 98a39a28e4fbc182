//go:build gpu && cgo && linux && amd64

package native_test

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/cuda/native"
	"trainer/internal/ref"
)

// A program that needed a library of CUDA to start would start on few machines.
func TestProgramNeedsNoLibraryButThatOfC(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	needed, err := file.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"libc.so.6", "libdl.so.2", "libpthread.so.0", "libresolv.so.2", "ld-linux-x86-64.so.2"} // all of glibc
	for _, library := range needed {
		if !slices.Contains(allowed, library) {
			t.Errorf("the program needs %s to start", library)
		}
	}
	if len(needed) == 0 {
		t.Error("the program is linked statically: it cannot load the driver")
	}
}

func TestDevicesAreDescribed(t *testing.T) {
	needsFake(t)
	d, err := native.Open()
	if err != nil {
		t.Fatal(err)
	}
	if d.Version() != 12090 {
		t.Errorf("version %d, expected 12090", d.Version())
	}
	devices, err := d.Devices()
	want := driver.Properties{Name: "Fake GPU", Capability: 990, Memory: 16 << 30, Multiprocessors: 4, SharedMemory: 163 << 10}
	if err != nil || len(devices) != 1 || devices[0] != want {
		t.Errorf("devices %+v, error %v, expected %+v", devices, err, want)
	}
	if _, err := d.Open(1); err == nil || !strings.Contains(err.Error(), "no GPU 1") {
		t.Errorf("opening the second of one GPU: error %v", err)
	}
}

func TestKernelComputesWhatItsReferenceDoes(t *testing.T) {
	r := newRig(t)
	defer r.close()
	x := []float32{-2, -1, -0.5, 0, 0.5, 1, 2}
	in, out := r.upload(x), r.room(4*len(x))
	l := kernels.GELU(out, in, len(x))
	m, err := r.Load(l.Source, []byte(kernels.PTX(l.Source)))
	r.must(err)
	k, err := m.Kernel(l.Kernel, l.Shared)
	r.must(err)
	r.must(r.stream.Launch(k, l))
	got, want := make([]float32, len(x)), make([]float32, len(x))
	r.download(out, got)
	ref.GELU(want, x)
	if !near(got, want, 1e-6) {
		t.Errorf("GELU is %v, expected %v", got, want)
	}
	r.must(m.Unload())
}

func TestKernelIsGivenItsArgumentsAndMuchSharedMemory(t *testing.T) {
	r := newRig(t)
	defer r.close()
	type arguments struct {
		Long   int64
		Word   int32
		Number float32
	}
	want := arguments{1<<40 + 1, -2, 0.75}
	p := r.room(binary.Size(want))
	r.must(r.prepare("arguments", 64<<10, p, want.Word, want.Long, want.Number)())
	got := make([]arguments, 1)
	r.download(p, got)
	if got[0] != want {
		t.Errorf("the kernel was given %+v, expected %+v", got[0], want)
	}
}

func TestMemoryIsFilledAndCopied(t *testing.T) {
	r := newRig(t)
	defer r.close()
	before, err := r.FreeMemory()
	r.must(err)
	a, b := r.room(16), r.room(16)
	if after, err := r.FreeMemory(); err != nil || after >= before {
		t.Errorf("%d bytes are free after an allocation and %d before, error %v", after, before, err)
	}
	r.must(r.stream.Fill(a, 7, 4))
	r.must(r.stream.Fill(b, 8, 4))
	r.must(r.stream.Copy(b+8, a, 8))
	got := make([]uint32, 4)
	r.download(b, got)
	if want := []uint32{8, 8, 7, 7}; !slices.Equal(got, want) {
		t.Errorf("memory holds %v, expected %v", got, want)
	}
	r.must(r.Free(a))
	r.must(r.Free(b))
}

// The fake driver's streams run as late as they may: only the events make the order.
func TestEventsOrderStreams(t *testing.T) {
	r := newRig(t)
	defer r.close()
	other, err := r.NewStream()
	r.must(err)
	e, err := r.NewEvent()
	r.must(err)
	p := r.room(4)
	r.must(other.Fill(p, 1, 1))
	r.must(other.Record(e))
	r.must(r.stream.Wait(e))
	r.must(r.stream.Fill(p, 2, 1))
	r.must(r.stream.Record(e))
	r.must(e.Synchronize())
	got := make([]uint32, 1)
	r.download(p, got)
	if got[0] != 2 {
		t.Errorf("memory holds %d, expected 2", got[0])
	}
	r.must(e.Close())
	r.must(other.Close())
}

func TestGraphReplaysWhatWasCaptured(t *testing.T) {
	r := newRig(t)
	defer r.close()
	p := r.upload([]float32{1})
	launch := r.prepare("double_it", 0, p)
	r.must(r.stream.BeginCapture())
	r.must(launch())
	g, err := r.stream.EndCapture()
	r.must(err)
	for range 3 {
		r.must(r.stream.Replay(g))
	}
	got := make([]float32, 1)
	r.download(p, got)
	if got[0] != 8 {
		t.Errorf("1 doubled in three replays is %g, expected 8", got[0])
	}
	r.must(g.Close())
}

func TestEveryGoroutineMayCall(t *testing.T) {
	r := newRig(t)
	defer r.close()
	for range 20 {
		done := make(chan error)
		go func() {
			p, err := r.Allocate(1)
			done <- errors.Join(err, r.Free(p))
		}()
		r.must(<-done)
	}
}

func TestTooLargeAnAllocationIsOutOfMemory(t *testing.T) {
	r := newRig(t)
	defer r.close()
	_, err := r.Allocate(1 << 50)
	if !errors.Is(err, driver.ErrOutOfMemory) {
		t.Errorf("error %v, expected ErrOutOfMemory", err)
	}
	r.must(r.Free(r.room(1))) // the device goes on
}

func TestFaultIsStickyAndNamesItsKernelWhereLaunchesBlock(t *testing.T) {
	t.Setenv("CUDA_LAUNCH_BLOCKING", "1")
	r := newRig(t)
	err := r.prepare("astray", 0)()
	var fault *driver.Fault
	if !errors.As(err, &fault) || fault.Kernel != "astray" {
		t.Errorf("error %v, expected a fault of kernel astray", err)
	}
	if _, err := r.Allocate(1); !errors.As(err, &fault) {
		t.Errorf("an allocation after the fault: error %v, expected the fault", err)
	}
	r.must(r.Device.Close())

	r = newRig(t) // a device that failed works again once it was closed
	defer r.close()
	r.must(r.Free(r.room(1)))
}

func TestRefusalsSayWhatWasWrong(t *testing.T) {
	r := newRig(t)
	defer r.close()
	m, err := r.Load("probe.ptx", probe)
	r.must(err)
	for _, refused := range []struct {
		what string
		err  error
		want string
	}{
		{"PTX that does not compile", second(r.Load("broken.ptx", []byte(".version 8.0\n.nonsense"))), "nonsense"},
		{"an entry that does not exist", second(m.Kernel("nothing", 0)), "kernel nothing of probe.ptx"},
		{"too much shared memory", second(m.Kernel("double_it", 1<<20)), "1048576 bytes of dynamic shared memory of the at most "},
	} {
		if refused.err == nil || !strings.Contains(refused.err.Error(), refused.want) {
			t.Errorf("%s: error %v, expected one with %q", refused.what, refused.err, refused.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("copying memory of the garbage collector did not panic")
		}
	}()
	r.stream.Upload(1, make([]byte, 1))
}

// second is the error of a call that returns two things.
func second[T any](_ T, err error) error { return err }

// near reports whether numbers are equal but for rounding.
func near(got, want []float32, within float32) bool {
	return slices.EqualFunc(got, want, func(g, w float32) bool { return max(g-w, w-g) <= within*max(1, w, -w) })
}
