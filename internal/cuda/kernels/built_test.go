package kernels_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/internal/cuda/kernels"
)

// TestBinariesBelongToTheSources finds sources that were edited, added or removed since the binaries were built, without the compiler.
func TestBinariesBelongToTheSources(t *testing.T) {
	manifest, err := os.Open("built/manifest.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer manifest.Close()
	var listed []string
	for lines := bufio.NewScanner(manifest); lines.Scan(); {
		hash, path, _ := strings.Cut(lines.Text(), "  ")
		listed = append(listed, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		} else if fmt.Sprintf("%x", sha256.Sum256(data)) != hash {
			t.Errorf("%s is not what the binaries were built with: run go generate ./internal/cuda/kernels", path)
		}
	}
	for _, pattern := range []string{"*.cu", "*.cuh", "built/*.ptx", "built/*.cubin"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !slices.Contains(listed, f) {
				t.Errorf("%s is new: run go generate ./internal/cuda/kernels", f)
			}
		}
	}
}

func TestEverySourceHasPTXAndCubins(t *testing.T) {
	sources, err := filepath.Glob("*.cu")
	if err != nil || len(sources) != len(kernels.Sources()) {
		t.Fatalf("sources %q, built %q: %v", sources, kernels.Sources(), err)
	}
	for _, name := range kernels.Sources() {
		if !strings.Contains(kernels.PTX(name), ".target sm_80") {
			t.Errorf("the PTX of %s is not for sm_80", name)
		}
		for capability, built := range map[int]bool{75: false, 80: true, 86: true, 89: true, 90: true, 100: false} {
			code := kernels.Cubin(name, capability)
			if built && !strings.HasPrefix(string(code), "\x7fELF") {
				t.Errorf("the cubin of %s for capability %d is not an ELF file", name, capability)
			}
			if !built && code != nil {
				t.Errorf("%s has a cubin for capability %d, on which none of those built runs", name, capability)
			}
		}
		if bytes.Equal(kernels.Cubin(name, 80), kernels.Cubin(name, 90)) {
			t.Errorf("%s has the same cubin for capabilities 80 and 90", name)
		}
	}
}

// Without atomics, and without races, which the emulator reports, the order of every sum is fixed.
func TestNoKernelAddsInAnOrderThatVaries(t *testing.T) {
	for _, name := range kernels.Sources() {
		for _, line := range strings.Split(kernels.PTX(name), "\n") {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "atom") || strings.HasPrefix(line, "red.") {
				t.Errorf("%s has the atomic instruction %q", name, line)
			}
		}
	}
}
