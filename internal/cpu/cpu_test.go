package cpu

import (
	"fmt"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/cpu/kernel"
	"trainer/internal/op"
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
		if d := Describe(set.BF16(), threads); !strings.Contains(d, "bfloat16") {
			t.Errorf("with products in bfloat16 the device is %q", d)
		}
	})
}

// The kernels trust the scratch they are given. In the conformance suite earlier kernels have reserved plenty.
func TestScratchIsReservedForTheLongestSequence(t *testing.T) {
	const rows, heads, headDim = 64, 2, 16
	configurations(t, func(t *testing.T, threads int, set *kernel.Set) {
		for _, context := range []int{rows, 5 * rows} {
			b := New(threads, set)
			defer b.Close()
			g := gorgonia.NewGraph()
			qkv := gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(rows, 3*heads*headDim), gorgonia.WithName("qkv"))
			offsets := gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(2), gorgonia.WithName("offsets"))
			out, err := op.CausalAttention(qkv, offsets, op.Attention{Heads: heads, KVHeads: heads, Context: context})
			if err != nil {
				t.Fatal(err)
			}
			program, err := vm.Compile(out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := vm.New(program, vm.NewWorkspace(b)); err != nil {
				t.Fatal(err)
			}
			for worker, scratch := range b.scratch {
				if need := set.AttentionScratch(rows, headDim); len(scratch) < need {
					t.Errorf("context %d: worker %d has %d floats of scratch, expected %d", context, worker, len(scratch), need)
				}
			}
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
