package peak

import (
	"time"

	"trainer/internal/cpu/kernel"
	"trainer/internal/team"
	"trainer/internal/vm"
)

// Read returns how many bytes a second several threads together read from memory, each its own part from end to end: what a product of few
// rows, which reads each weight once, cannot be faster than. It is the best of several passes over more memory than caches hold.
func Read(threads int, kernels *kernel.Set) float64 {
	const floats, piece, passes = 64 << 20, 4096, 8 // a piece is what SumSquares takes at a time
	workers := team.New(threads)
	defer workers.Close()
	memory := vm.AlignedFloat32s(floats)
	for i := range memory {
		memory[i] = 1 // pages that were never written are all the same zeros, in the cache
	}
	read := []team.Phase{func(worker, workers int) {
		lo, hi := team.Share(floats, piece, worker, workers)
		for ; lo < hi; lo += piece {
			kernels.SumSquares(memory[lo : lo+piece])
		}
	}}
	best := time.Duration(1<<63 - 1)
	for range passes {
		begin := time.Now()
		workers.Run(read)
		best = min(best, time.Since(begin))
	}
	return 4 * floats / best.Seconds()
}
