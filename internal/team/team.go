// Package team runs work that is divided among a fixed set of threads, in phases of a few microseconds: a phase starts when every
// worker is done with the one before. It is what an instruction of a large model and a training step of a small one are divided by.
//
// Start at Team.Run; Share says which part of a list of items a worker takes.
package team

import (
	"runtime"
	"sync/atomic"
)

// Phase is work that all workers of a team run at once: worker w of n does its share. The next phase starts when every worker is
// done with this one.
type Phase func(worker, workers int)

// Team is a fixed set of workers that walk through a list of phases together. Worker 0 is the caller of Run, the others are goroutines
// that live until Close.
type Team struct {
	size    int
	phases  []Phase
	start   []chan struct{} // by worker, from 1
	arrived atomic.Int32
	round   atomic.Uint32
}

// New returns a team of size workers, at least 1.
func New(size int) *Team {
	t := &Team{size: size, start: make([]chan struct{}, size)}
	for w := 1; w < size; w++ {
		t.start[w] = make(chan struct{}, 1)
		go func() {
			for range t.start[w] {
				t.walk(w)
			}
		}()
	}
	return t
}

// Size is the number of workers.
func (t *Team) Size() int { return t.size }

// Run runs the phases and returns when all are done. It allocates nothing.
func (t *Team) Run(phases []Phase) {
	if len(phases) == 0 {
		return // a worker that wakes late must not find the phases of the next run
	}
	t.phases = phases
	for w := 1; w < t.size; w++ {
		t.start[w] <- struct{}{}
	}
	t.walk(0)
}

func (t *Team) walk(worker int) {
	for _, p := range t.phases {
		p(worker, t.size)
		if t.size > 1 {
			t.barrier()
		}
	}
}

// spins is how often a worker looks for the others before it lets the scheduler run something else: about 10 µs, longer
// than most phases of a small model differ between workers.
const spins = 4000

// barrier returns when every worker has called it.
func (t *Team) barrier() {
	round := t.round.Load()
	if t.arrived.Add(1) == int32(t.size) {
		t.arrived.Store(0)
		t.round.Add(1)
		return
	}
	for i := 0; t.round.Load() == round; i++ {
		if i > spins {
			runtime.Gosched()
		}
	}
}

// Close ends the goroutines. The team cannot run again.
func (t *Team) Close() {
	for _, c := range t.start[1:] {
		close(c)
	}
}

// Share returns the part lo ≤ i < hi of n items that a worker takes, in blocks of grain items.
func Share(n, grain, worker, workers int) (lo, hi int) {
	blocks := (n + grain - 1) / grain
	return min(n, blocks*worker/workers*grain), min(n, blocks*(worker+1)/workers*grain)
}
