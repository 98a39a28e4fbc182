package team_test

import (
	"fmt"
	"testing"

	"trainer/internal/team"
)

// In each phase every worker reads what all workers wrote in the phase before; without the barrier the race detector
// reports it, and the numbers are wrong. A run without phases changes nothing.
func TestEveryWorkerSeesThePhaseBefore(t *testing.T) {
	for size := 1; size <= 5; size++ {
		t.Run(fmt.Sprint(size, " workers"), func(t *testing.T) {
			crew := team.New(size)
			defer crew.Close()
			const length = 50
			cells := [2][]int{make([]int, size), make([]int, size)}
			var phases []team.Phase
			for i := range length {
				from, to := cells[i%2], cells[(i+1)%2]
				phases = append(phases, func(worker, workers int) {
					sum := 0
					for _, c := range from {
						sum += c
					}
					to[worker] = sum/workers + 1
				})
			}
			for run := 1; run <= 20; run++ {
				crew.Run(nil)
				crew.Run(phases)
				for worker, got := range cells[length%2] {
					if got != run*length {
						t.Fatalf("after %d runs of %d phases worker %d is at %d, expected %d", run, length, worker, got, run*length)
					}
				}
			}
		})
	}
}

func TestShareDividesEverythingOnceInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 2, 13, 16, 17, 100, 4099} {
		for _, grain := range []int{1, 14, 16, 32} {
			for workers := 1; workers <= 7; workers++ {
				end := 0
				for worker := range workers {
					lo, hi := team.Share(n, grain, worker, workers)
					if lo != end || hi < lo || (lo%grain != 0 && lo != n) {
						t.Fatalf("worker %d of %d takes %d to %d of %d by %d, the one before ends at %d", worker, workers, lo, hi, n, grain, end)
					}
					if blocks := (n + grain - 1) / grain; hi-lo > (blocks/workers+1)*grain {
						t.Errorf("worker %d of %d takes %d of %d by %d", worker, workers, hi-lo, n, grain)
					}
					end = hi
				}
				if end != n {
					t.Errorf("%d workers take %d of %d by %d", workers, end, n, grain)
				}
			}
		}
	}
}
