// Package cpu is the CPU backend: it binds each instruction of a program to the kernels of package kernel and runs them on a team of
// threads. A team of one runs on the calling goroutine, which is how small models use several cores: one backend per shard of
// the batch. A larger team divides each instruction.
//
// Start at Backend, then bind.go for how an op becomes calls of kernels.
package cpu

import (
	"fmt"
	"strings"

	"trainer/internal/cpu/kernel"
	"trainer/internal/team"
	"trainer/internal/vm"
)

// Backend runs programs on the CPU. Its programs share scratch memory and threads: they run one at a time.
type Backend struct {
	kernels   *kernel.Set
	team      *team.Team
	scratch   [][]float32 // by worker
	rotations map[rotationKey]rotation
	packing   *packing // nil where products read weights as they are
}

var _ vm.Backend = (*Backend)(nil)

// New returns a backend with the given number of threads, at least 1, and kernels, such as kernel.Best().
func New(threads int, kernels *kernel.Set) *Backend {
	return &Backend{kernels: kernels, team: team.New(threads), scratch: make([][]float32, threads),
		rotations: make(map[rotationKey]rotation)}
}

// Device names the processor's instruction set and the number of threads.
func (b *Backend) Device() string {
	d := Describe(b.kernels, b.team.Size())
	if b.packing == nil {
		return d
	}
	return strings.TrimSuffix(d, ")") + ", weights in " + b.packing.kind.String() + ")"
}

// Describe names kernels and a number of threads, for people: "CPU (AVX-512, 2 threads)".
func Describe(kernels *kernel.Set, threads int) string {
	set := map[string]string{"avx512": "AVX-512", "avx2": "AVX2", "go": "pure Go"}[kernels.Name]
	if kernels.Precision == "bf16" {
		set += ", products in bfloat16"
	}
	if threads == 1 {
		return fmt.Sprintf("CPU (%s, 1 thread)", set)
	}
	return fmt.Sprintf("CPU (%s, %d threads)", set, threads)
}

// Allocate returns zeroed, aligned host memory.
func (b *Backend) Allocate(size int) (vm.Memory, error) {
	return memory(vm.AlignedBytes(size)), nil
}

// Adopt returns host as it is.
func (b *Backend) Adopt(host []byte) (vm.Memory, error) {
	return memory(host[:len(host):len(host)]), nil
}

// Close ends the threads of the team.
func (b *Backend) Close() error {
	b.team.Close()
	return nil
}

// reserve makes the scratch of each worker at least n floats long.
func (b *Backend) reserve(n int) {
	for w, s := range b.scratch {
		if len(s) < n {
			b.scratch[w] = vm.AlignedFloat32s(n)
		}
	}
}

// memory is host memory.
type memory []byte

func (m memory) Size() int                        { return len(m) }
func (m memory) Slice(offset, size int) vm.Memory { return m[offset : offset+size : offset+size] }
func (m memory) Write(host []byte) error          { return m.transfer(m, host) }
func (m memory) Read(host []byte) error           { return m.transfer(host, m) }
func (m memory) Host() []byte                     { return m }
func (m memory) Free() error                      { return nil }

// transfer copies between the block and the host, who must not want more than the block has.
func (m memory) transfer(dst, src []byte) error {
	if n := max(len(dst), len(src)); n > len(m) {
		return fmt.Errorf("a copy of %d bytes does not fit a block of %d", n, len(m))
	}
	copy(dst, src)
	return nil
}
