//go:build mpi && linux

package mpi

import (
	"runtime"
	"time"

	"trainer/internal/collective"
	"trainer/internal/mpi/openmpi"
)

// thread is the communicator of this rank: it makes all calls of MPI.
type thread struct {
	options    Options
	rank, size int
	incoming   chan *operation
	under      []*operation // way, oldest first
	pulse      pulse
	memory     memory
	failed     error // of MPI, behind which nothing works
}

// operation is what the trainer asks for.
type operation struct {
	start   func() (*openmpi.Request, error)
	ended   func() // what is left to do then; may be nil
	last    bool   // Close
	request *openmpi.Request
	result  chan error
}

// Wait implements collective.Request.
func (o *operation) Wait() error { return <-o.result }

// ask hands an operation to the thread.
func (t *thread) ask(o *operation) collective.Request {
	o.result = make(chan error, 1)
	t.incoming <- o
	return o
}

// How the thread waits. As long as something is under way it tests that again and again for some time after the last one has ended, then with
// pauses: on a machine whose cores all compute, it would take the time from those that it waits for.
const (
	eager = 50 * time.Microsecond
	pause = 50 * time.Microsecond
	idle  = 20 * time.Millisecond // between two looks after the pulse, when there is nothing else to do
)

// serve is the thread. It tells once whether MPI has started.
func (t *thread) serve(started chan<- error) {
	runtime.LockOSThread()
	var err error
	t.rank, t.size, err = openmpi.Start()
	started <- err
	if err != nil {
		return
	}
	timer := time.NewTimer(0)
	active := time.Now()
	for !t.leave() {
		wait := time.Duration(0)
		switch {
		case len(t.under) == 0 || t.closing():
			wait = idle
		case time.Since(active) > eager:
			wait = pause
		}
		if t.take(timer, wait) || t.advance() {
			active = time.Now()
		}
		t.watch()
	}
}

// take begins what the trainer asks for, and says whether it has asked. It waits for some time at most.
func (t *thread) take(timer *time.Timer, wait time.Duration) bool {
	if wait == 0 {
		select {
		case o := <-t.incoming:
			t.begin(o)
			return true
		default:
			return false
		}
	}
	timer.Reset(wait)
	select {
	case o := <-t.incoming:
		t.begin(o)
		return true
	case <-timer.C:
		return false
	}
}

// begin begins an operation.
func (t *thread) begin(o *operation) {
	if t.failed != nil {
		o.result <- t.failed
		return
	}
	if !o.last {
		request, err := o.start()
		if err != nil {
			t.fail(err)
			o.result <- err
			return
		}
		o.request = request
	}
	t.under = append(t.under, o)
}

// advance tests the operations under way, and says whether one has ended.
func (t *thread) advance() (any bool) {
	kept := t.under[:0]
	for _, o := range t.under {
		if o.last || t.failed != nil {
			kept = append(kept, o)
			continue
		}
		ended, err := o.request.Test()
		switch {
		case err != nil:
			t.fail(err)
			kept = append(kept, o)
		case ended:
			if o.ended != nil {
				o.ended()
			}
			o.result <- nil
			any = true
		default:
			kept = append(kept, o)
		}
	}
	clear(t.under[len(kept):])
	t.under = kept
	if t.failed != nil {
		for _, o := range t.under {
			o.result <- t.failed
		}
		t.under = nil
	}
	return any
}

// fail says that MPI works no more.
func (t *thread) fail(err error) {
	if t.failed == nil {
		t.failed = err
	}
}

// leave ends MPI when this rank and all others want to close.
func (t *thread) leave() bool {
	if len(t.under) != 1 || !t.under[0].last || !t.pulse.over() {
		return false
	}
	t.under[0].result <- openmpi.Finish()
	return true
}
