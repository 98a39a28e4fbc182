// Package peak measures what a processor can do at best, for programs that say how near to it they are.
//
// Start at GEMM, for arithmetic, and Read, for memory.
package peak

import (
	"time"

	"trainer/internal/cpu/kernel"
	"trainer/internal/team"
	"trainer/internal/vm"
)

// GEMM returns the speed of matrix products [256, 256]·[256, 256] on several threads at once, in floating-point operations a second of all
// of them. Each thread has its own three matrices, which fit its second-level cache. The speed of a thread is the best of many parts of half
// a millisecond or so, since other programs can only make it slower, and on a busy machine few parts of a thread are undisturbed, and hardly
// ever those of all threads at the same time.
func GEMM(threads int, kernels *kernel.Set) float64 {
	const size, repeats, parts = 256, 4, 120
	workers := team.New(threads)
	defer workers.Close()
	products, scratch, best := make([]kernel.Gemm, threads), make([][]float32, threads), make([]time.Duration, threads)
	for i := range products {
		matrix := func() []float32 { return vm.AlignedFloat32s(size * size) }
		products[i] = kernel.Gemm{M: size, N: size, K: size, A: matrix(), StrideA: size, B: matrix(), StrideB: size, C: matrix(), StrideC: size}
		scratch[i], best[i] = vm.AlignedFloat32s(kernels.GemmScratch(size, size, size)), 1<<63-1
	}
	workers.Run([]team.Phase{func(worker, _ int) {
		for range parts { // the first ones bring the matrices into the caches
			begin := time.Now()
			for range repeats {
				kernels.Gemm(&products[worker], scratch[worker])
			}
			best[worker] = min(best[worker], time.Since(begin))
		}
	}})
	var speed float64
	for _, d := range best {
		speed += repeats * 2 * size * size * size / d.Seconds()
	}
	return speed
}
