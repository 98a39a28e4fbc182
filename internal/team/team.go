// Package team runs work that is divided among a fixed set of threads, in phases of a few microseconds: a phase starts when every
// worker is done with the one before. It is what an instruction of a large model and a training step of a small one are divided by.
//
// Start at Team.Run; Share says which part of a list of items a worker takes.
package team

import (
	"sync"
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
	arrived atomic.Int32 // workers at the barrier
	runs    counter      // of Run and Close; a worker waits for the next
	rounds  counter      // of barriers passed
	closed  bool
}

// New returns a team of size workers, at least 1.
func New(size int) *Team {
	t := &Team{size: size}
	t.runs.changed, t.rounds.changed = sync.NewCond(&t.runs.mutex), sync.NewCond(&t.rounds.mutex)
	for w := 1; w < size; w++ {
		go func() {
			for run := uint32(0); ; run++ {
				t.runs.await(run)
				if t.closed {
					return
				}
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
	if t.size > 1 {
		t.runs.advance()
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

// barrier returns when every worker has called it.
func (t *Team) barrier() {
	round := t.rounds.value.Load()
	if t.arrived.Add(1) == int32(t.size) {
		t.arrived.Store(0)
		t.rounds.advance()
		return
	}
	t.rounds.await(round)
}

// Close ends the goroutines. The team cannot run again.
func (t *Team) Close() {
	t.closed = true
	t.runs.advance()
}

// spins is how often a waiting worker looks again before it sleeps: about 20 µs, longer than the phases of a training step differ between
// workers. Sleeping matters where other programs want the processor: a worker that spins on takes it from the one that it waits for (a
// step of the calculator on two cores, one of them busy, took 5 times as long).
const spins = 20000

// counter is a number that goes up and that workers wait for.
type counter struct {
	value    atomic.Uint32
	mutex    sync.Mutex
	changed  *sync.Cond
	sleepers int
}

// advance adds 1 and wakes the workers that wait for it.
func (c *counter) advance() {
	c.mutex.Lock()
	c.value.Add(1)
	wake := c.sleepers > 0
	c.mutex.Unlock()
	if wake {
		c.changed.Broadcast()
	}
}

// await returns when the value is no longer old.
func (c *counter) await(old uint32) {
	for range spins {
		if c.value.Load() != old {
			return
		}
	}
	c.mutex.Lock()
	c.sleepers++
	for c.value.Load() == old {
		c.changed.Wait()
	}
	c.sleepers--
	c.mutex.Unlock()
}

// Share returns the part lo ≤ i < hi of n items that a worker takes, in blocks of grain items.
func Share(n, grain, worker, workers int) (lo, hi int) {
	blocks := (n + grain - 1) / grain
	return min(n, blocks*worker/workers*grain), min(n, blocks*(worker+1)/workers*grain)
}
