//go:build gpu && cgo && linux && amd64

package native_test

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/cuda/native"
	"trainer/internal/cuda/native/cublaslt"
	"trainer/internal/cuda/native/libcuda"
	"trainer/internal/cuda/native/nccl"
)

// onFake says that the tests run on the stand-in for NVIDIA's libraries.
var onFake = os.Getenv(libcuda.FileVariable) == ""

// TestMain builds the stand-in and has it found in the driver's place. On a machine with a GPU, TRAINER_LIBCUDA=libcuda.so.1 runs the
// tests on that.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		if !onFake {
			return m.Run()
		}
		folder, err := os.MkdirTemp("", "fakedriver")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.RemoveAll(folder)
		library := filepath.Join(folder, "fake.so")
		build := exec.Command("go", "build", "-tags=gpu", "-buildmode=c-shared", "-o", library, "./fakedriver")
		if output, err := build.CombinedOutput(); err != nil {
			fmt.Printf("%v: %v\n%s", build, err, output)
			return 1
		}
		os.Setenv(libcuda.FileVariable, library)
		os.Setenv(cublaslt.FileVariable, library)
		os.Setenv(nccl.FileVariable, library)
		return m.Run()
	}())
}

// rig is an open device with a stream.
type rig struct {
	testing.TB
	driver.Device
	stream driver.Stream
}

// newRig opens the first device. What a test leaves behind is an error of Close.
func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigOn(t, 0)
}

// newRigOn opens a device by its number.
func newRigOn(t testing.TB, index int) *rig {
	t.Helper()
	r := &rig{TB: t}
	d, err := native.Open()
	r.must(err)
	r.Device, err = d.Open(index)
	r.must(err)
	r.stream, err = r.NewStream()
	r.must(err)
	return r
}

// needsFake skips a test of what the stand-in alone shows.
func needsFake(t *testing.T) {
	t.Helper()
	if !onFake {
		t.Skipf("%s is set: the tests run on another driver than the fake one", libcuda.FileVariable)
	}
}

// close gives the device back.
func (r *rig) close() {
	r.Helper()
	r.must(r.stream.Close())
	r.must(r.Device.Close())
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// upload copies numbers to the device.
func (r *rig) upload(numbers any) driver.Pointer {
	r.Helper()
	raw, err := binary.Append(nil, binary.LittleEndian, numbers)
	r.must(err)
	p, err := r.Allocate(len(raw))
	r.must(err)
	host, err := r.AllocateHost(len(raw))
	r.must(err)
	copy(host, raw)
	r.must(r.stream.Upload(p, host))
	r.must(r.stream.Synchronize())
	r.must(r.FreeHost(host))
	return p
}

// room is memory of the device for n bytes.
func (r *rig) room(n int) driver.Pointer {
	r.Helper()
	p, err := r.Allocate(n)
	r.must(err)
	return p
}

// download waits for the stream and reads numbers, a slice, from the device.
func (r *rig) download(p driver.Pointer, numbers any) {
	r.Helper()
	host, err := r.AllocateHost(binary.Size(numbers))
	r.must(err)
	r.must(r.stream.Download(host, p))
	r.must(r.stream.Synchronize())
	_, err = binary.Decode(host, binary.LittleEndian, numbers)
	r.must(err)
	r.must(r.FreeHost(host))
}

//go:embed testdata/probe.ptx
var probe []byte

// prepare loads a kernel of probe and returns its launch.
func (r *rig) prepare(name string, shared int, args ...any) (launch func() error) {
	r.Helper()
	m, err := r.Load("probe.ptx", probe)
	r.must(err)
	k, err := m.Kernel(name, shared)
	r.must(err)
	l := kernels.Launch{Kernel: name, Grid: [3]int{1, 1, 1}, Block: 1, Shared: shared, Args: args}
	return func() error { return r.stream.Launch(k, l) }
}
