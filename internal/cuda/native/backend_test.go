//go:build gpu && cgo && linux && amd64

package native_test

import (
	"testing"

	"trainer/internal/cuda"
	"trainer/internal/cuda/native"
	"trainer/internal/vm"
	"trainer/internal/vm/vmtest"
)

// What the backend's suite shows on the emulator holds on the way through the driver, and with the vendor's products, too.
func TestBackendConforms(t *testing.T) {
	vmtest.RunAll(t, func(t *testing.T) vm.Backend {
		d, err := native.Open()
		if err != nil {
			t.Fatal(err)
		}
		gpu, err := d.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := cuda.New(gpu, cuda.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}
