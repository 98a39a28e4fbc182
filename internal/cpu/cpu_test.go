package cpu

import (
	"fmt"
	"strings"
	"testing"

	"trainer/internal/cpu/kernel"
	"trainer/internal/vm"
	"trainer/internal/vm/vmtest"
)

// configurations runs f for teams of 1 to 3 threads and every table of kernels that runs here.
func configurations(t *testing.T, f func(t *testing.T, threads int, set *kernel.Set)) {
	for _, set := range kernel.Sets() {
		for threads := 1; threads <= 3; threads++ {
			t.Run(fmt.Sprintf("%s/%d threads", set.Name, threads), func(t *testing.T) { f(t, threads, set) })
		}
	}
}

func TestBackendConforms(t *testing.T) {
	configurations(t, func(t *testing.T, threads int, set *kernel.Set) {
		vmtest.RunAll(t, func(*testing.T) vm.Backend { return New(threads, set) })
	})
}

func TestDeviceNamesInstructionsAndThreads(t *testing.T) {
	configurations(t, func(t *testing.T, threads int, set *kernel.Set) {
		b := New(threads, set)
		defer b.Close()
		want := map[string]string{"avx512": "AVX-512", "avx2": "AVX2", "go": "pure Go"}[set.Name] + fmt.Sprintf(", %d thread", threads)
		if d := b.Device(); !strings.HasPrefix(d, "CPU ("+want) {
			t.Errorf("the device is %q, expected %q in it", d, want)
		}
	})
}

// BenchmarkStep is a training step of a small transformer: 96 tokens, 2 blocks.
func BenchmarkStep(b *testing.B) {
	for _, set := range kernel.Sets() {
		for threads := 1; threads <= 2; threads++ {
			b.Run(fmt.Sprintf("%s/%d threads", set.Name, threads), func(b *testing.B) {
				backend := New(threads, set)
				defer backend.Close()
				program, err := vm.Compile(vmtest.NewTransformer(2, 32, 32, 32).Outputs()...)
				if err != nil {
					b.Fatal(err)
				}
				m, err := vm.New(program, vm.NewWorkspace(backend))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := m.RunAll(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
