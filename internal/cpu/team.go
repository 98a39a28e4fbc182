package cpu

import (
	"runtime"
	"sync/atomic"
)

// phase is a piece of an instruction that all workers of a team run at once: worker w of n does its share. The next phase starts when
// every worker is done with this one.
type phase func(worker, workers int)

// team is a fixed set of workers that walk through a list of phases together. Worker 0 is the caller.
type team struct {
	size    int
	phases  []phase
	start   []chan struct{} // by worker, from 1
	arrived atomic.Int32
	round   atomic.Uint32
}

func newTeam(size int) *team {
	t := &team{size: size, start: make([]chan struct{}, size)}
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

// run runs the phases and returns when all are done.
func (t *team) run(phases []phase) {
	t.phases = phases
	for w := 1; w < t.size; w++ {
		t.start[w] <- struct{}{}
	}
	t.walk(0)
}

func (t *team) walk(worker int) {
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
func (t *team) barrier() {
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

func (t *team) close() {
	for _, c := range t.start[1:] {
		close(c)
	}
}

// share returns the part lo ≤ i < hi of n items that a worker takes, in blocks of grain items.
func share(n, grain, worker, workers int) (lo, hi int) {
	blocks := (n + grain - 1) / grain
	return min(n, blocks*worker/workers*grain), min(n, blocks*(worker+1)/workers*grain)
}
