package train

import (
	"fmt"
	"time"

	"trainer/internal/memory"
)

// Checkpoint tells about one that is on the disk.
type Checkpoint struct {
	Step    int
	Seconds float64 // from the end of the step until it was on the disk
	Stall   float64 // those of them in which training stood still
}

// saver is where a run stands with its checkpoints. Where memory has room for a copy of what one holds, another goroutine writes it while
// training goes on. One is written at a time.
type saver struct {
	saved   int // step of the checkpoint that was begun last; -1 in a process that has begun none
	begun   time.Time
	stall   time.Duration
	copies  snapshotMemory
	writing chan written // what comes of it; nil when none is being written
}

// written is the end of a checkpoint.
type written struct {
	at  time.Time
	err error
}

// save writes a checkpoint, once a step, and returns when it is on the disk; with meanwhile it may return before, and leave the rest to report
// and settle. In a group rank 0 writes, of what all bring it.
func (r *run) save(meanwhile bool) error {
	s := &r.saver
	begun := time.Now()
	if err := r.settle(); err != nil || s.saved == r.step {
		return err
	}
	s.saved, s.begun = r.step, begun
	held, err := r.snapshot(r.Arguments)
	if !r.leads() {
		return err
	}
	if err == nil {
		held.state.HeldOut = r.heldOut
		err = r.Folder.flush()
	}
	if err != nil {
		return r.conclude(written{err: err})
	}
	write := func(held *snapshot) written {
		err := r.Folder.write(held, r.Keep)
		return written{time.Now(), err}
	}
	if !meanwhile || !s.copies.fits(held) {
		w := write(held)
		s.stall = w.at.Sub(begun)
		return r.conclude(w)
	}
	held = s.copies.copy(held)
	s.writing = make(chan written, 1)
	go func(result chan<- written) { result <- write(held) }(s.writing)
	s.stall = time.Since(begun)
	return nil
}

// report tells of the checkpoint that is being written, if that has ended.
func (r *run) report() error {
	select {
	case w := <-r.saver.writing:
		return r.conclude(w)
	default:
		return nil
	}
}

// settle waits for the checkpoint that is being written, if there is one.
func (r *run) settle() error {
	if r.saver.writing == nil {
		return nil
	}
	return r.conclude(<-r.saver.writing)
}

// conclude tells what came of a checkpoint.
func (r *run) conclude(w written) error {
	s := &r.saver
	s.writing = nil
	if w.err != nil {
		r.Folder.failed = true
		return fmt.Errorf("checkpoint of step %d: %w", s.saved, w.err)
	}
	r.Saved(Checkpoint{Step: s.saved, Seconds: w.at.Sub(s.begun).Seconds(), Stall: s.stall.Seconds()})
	return nil
}

// fits says that a copy of the snapshot can be made. It may take half of the memory that is free: the other half is for what a machine does
// besides, such as the files on their way to the disk.
func (m *snapshotMemory) fits(s *snapshot) bool {
	if m.weights != nil {
		return true
	}
	free, known := availableMemory()
	return !known || s.bytes() <= free/2
}

// availableMemory is replaced in tests.
var availableMemory = memory.Available
