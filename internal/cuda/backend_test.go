package cuda_test

import (
	"testing"

	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/internal/vm"
	"trainer/internal/vm/vmtest"
)

// open returns a backend on an emulated GPU.
func open(t testing.TB, e emulated.Options, o cuda.Options) *cuda.Backend {
	t.Helper()
	device, err := emulated.New(e).Open(0)
	if err != nil {
		t.Fatal(err)
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
