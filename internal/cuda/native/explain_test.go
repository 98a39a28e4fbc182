//go:build gpu && cgo && linux && amd64

package native

import (
	"strings"
	"testing"

	"trainer/internal/cuda/native/libcuda"
)

func TestOpenSaysWhyThereIsNoGPUAndWhatHelps(t *testing.T) {
	for want, err := range map[string]error{
		"no NVIDIA driver: libcuda.so.1 was not found": &libcuda.NotFound{File: "libcuda.so.1", Reason: "no such file"},
		"the driver finds no GPU (CUDA error 100":      libcuda.Status(100),
		"nvidia-fabricmanager":                         libcuda.Status(802),
		"restart the machine":                          libcuda.Status(803),
		"cuda-compat":                                  libcuda.Status(804),
		"nvidia-smi":                                   libcuda.Status(999),
	} {
		if got := explain(err).Error(); !strings.Contains(got, want) {
			t.Errorf("%v is explained as %q, expected %q in it", err, got, want)
		}
	}
}
