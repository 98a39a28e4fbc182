package emulated

import "trainer/internal/ptx"

// task is a piece of work: a kernel, a copy, a point that events mark. It runs after the tasks that it comes after, some time.
type task struct {
	name    string // "kernel gelu (stream 1, work 5)"
	uses    []*resource
	host    *hostUse          // of copies from and to the host
	run     func(*task) error // nil if it is there for the order alone
	capture *capture          // what it was recorded into; such a task never runs, its copies do
	after   []*task
	touched []ptx.Span // what it reads and writes, in order; of a kernel known once it ran, if races are searched for

	serial   int // by the order of queueing
	blockers int // tasks of after that are not done
	then     []*task
	done     bool
	marks    bool // it records an event, and is no work of a capture
	known    int  // the serial of the last task that was queued before the host knew that this one was done; 0 if it does not know
}
