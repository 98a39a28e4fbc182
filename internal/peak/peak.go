// Package peak measures what a processor can do at best, for programs that say how near to it they are.
//
// Start at GEMM.
package peak

import (
	"time"

	"trainer/internal/cpu/kernel"
	"trainer/internal/team"
	"trainer/internal/vm"
)

// GEMM returns the speed of matrix products [256, 256]·[256, 256] on several threads at once, in floating-point operations a second of all
// of them. Each thread has its own three matrices, which fit its second-level cache. It is the best of a few rounds of some milliseconds,
// since other programs can only make it slower.
func GEMM(threads int, kernels *kernel.Set) float64 {
	const size, repeats, rounds = 256, 50, 8
	workers := team.New(threads)
	defer workers.Close()
	products, scratch := make([]kernel.Gemm, threads), make([][]float32, threads)
	for i := range products {
		matrix := func() []float32 { return vm.AlignedFloat32s(size * size) }
		products[i] = kernel.Gemm{M: size, N: size, K: size, A: matrix(), StrideA: size, B: matrix(), StrideB: size, C: matrix(), StrideC: size}
		scratch[i] = vm.AlignedFloat32s(kernels.GemmScratch(size, size, size))
	}
	phase := []team.Phase{func(worker, _ int) {
		for range repeats {
			kernels.Gemm(&products[worker], scratch[worker])
		}
	}}
	workers.Run(phase) // brings the matrices into the caches
	best := time.Duration(1<<63 - 1)
	for range rounds {
		begin := time.Now()
		workers.Run(phase)
		best = min(best, time.Since(begin))
	}
	return float64(threads) * repeats * 2 * size * size * size / best.Seconds()
}
