package cuda_test

import (
	"os"
	"testing"

	"trainer/internal/cuda"
	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/emulated"
	"trainer/internal/cuda/native"
	"trainer/internal/vm"
	"trainer/internal/vm/vmtest"
)

// testDevice is the GPU that the tests run on: the emulated one, or with "cuda" and the build tag gpu the first that the driver has.
var testDevice = os.Getenv("TRAINER_TEST_DEVICE")

// needsEmulator skips a test of what no real GPU shows.
func needsEmulator(t testing.TB) {
	t.Helper()
	if testDevice != "" {
		t.Skipf("TRAINER_TEST_DEVICE=%s: this needs the emulated GPU", testDevice)
	}
}

// openDevice opens the GPU of the tests. The options are those of an emulated one.
func openDevice(t testing.TB, e emulated.Options) driver.Device {
	t.Helper()
	var d driver.Driver = emulated.New(e)
	var err error
	switch testDevice {
	case "":
	case "cuda":
		d, err = native.Open()
	default:
		t.Fatalf("TRAINER_TEST_DEVICE=%s: expected cuda, or nothing for the emulated GPU", testDevice)
	}
	if err != nil {
		t.Fatal(err)
	}
	device, err := d.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	return device
}

// open returns a backend on the GPU of the tests. e.MatMul is to have a library multiply matrices; where a real GPU has none, the own
// kernels do.
func open(t testing.TB, e emulated.Options, o cuda.Options) *cuda.Backend {
	t.Helper()
	device := openDevice(t, e)
	if !e.MatMul && o.GEMM == cuda.Auto {
		o.GEMM = cuda.Own
	} else if _, err := device.MatMul(); err != nil {
		t.Logf("%v: own matrix products take its place", err)
		o.GEMM = cuda.Own
	}
	b, err := cuda.New(device, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBackendConforms(t *testing.T) {
	vmtest.RunSmall(t, func(t *testing.T) vm.Backend { return open(t, emulated.Options{IgnoreRaces: true}, cuda.Options{}) })
}
