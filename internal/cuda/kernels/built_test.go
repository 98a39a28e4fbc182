package kernels_test

import (
	"bufio"
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
		for _, sm := range []int{80, 90} {
			if code := kernels.Cubin(name, sm); !strings.HasPrefix(string(code), "\x7fELF") {
				t.Errorf("the cubin of %s for sm_%d is not an ELF file", name, sm)
			}
		}
		if kernels.Cubin(name, 70) != nil {
			t.Errorf("%s has a cubin for sm_70, which nobody built", name)
		}
	}
}
