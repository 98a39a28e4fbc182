// Package collective is what the processes of one training ask of each other: sums of gradients, everyone's new weights, a word on what
// each has found. It is an interface with the operations that the trainer needs, and what can be built on them alone.
//
//	a vector on every rank -> ReduceScatter -> each rank's part of the sum -> (an update) -> AllGather -> the whole vector on every rank
//
// A rank is one of the processes, numbered from 0. All ranks call the same operations in the same order, with the same bounds: that is
// what makes them match. Operations are begun by a call and ended by Request.Wait, so that computation can go on meanwhile.
//
// Implementations: Alone, of one process; Local, of goroutines in one process, for tests; package mpi, of processes on any number of
// machines; package tcp, of those that torchrun or its like has started. All of them speak of memory of the host. What GPUs bring together
// in their own memory goes by driver.Communicator of internal/cuda, on streams; their processes find each other and agree by one of these.
//
// Start at Communicator; exchange.go has what is built on it.
package collective

import "fmt"

// Communicator connects the ranks of a training. It is for one goroutine at a time; buffers belong to an operation from its call until
// Wait has returned.
//
// Bounds are Size()+1 offsets that do not fall: the part of rank r is from bounds[r] to bounds[r+1], and may be empty. An operation's
// error is of the connection, or an *AbortedError; behind one, the communicator is good for Abort alone.
type Communicator interface {
	Rank() int // of this process, 0 to Size()-1
	Size() int // ranks

	// ReduceScatter sums the values of all ranks, element by element, and leaves each rank its part of the sum, in place. The sum has an
	// order that is the same each time; where the implementation can choose, it is that of the ranks. The other parts of values stay as
	// they were.
	ReduceScatter(values []float32, bounds []int) Request
	// AllGather fills data on every rank with each rank's part, in place.
	AllGather(data []byte, bounds []int) Request
	// Gather fills whole on rank 0 with each rank's part, which is as long as the bounds say. On other ranks whole is nil.
	Gather(part, whole []byte, bounds []int) Request
	// Broadcast fills data, of the same length on every rank, with that of rank 0.
	Broadcast(data []byte) Request

	// Abort ends the training on all ranks with an exit code, without waiting for any of them. It need not return.
	Abort(code int)
	// Close leaves. It waits until every rank has called it.
	Close() error
}

// Request is an operation that was begun.
type Request interface {
	// Wait returns when the operation has ended on this rank. It is called once.
	Wait() error
}

// AbortedError says that a rank has ended the training.
type AbortedError struct {
	Rank int // that called Abort
	Code int
}

func (e *AbortedError) Error() string {
	return fmt.Sprintf("rank %d has ended the training with code %d", e.Rank, e.Code)
}

// UnknownLength is the length of what another rank has.
const UnknownLength = -1

// CheckBounds panics where an operation is asked for with impossible bounds of so many elements among size ranks.
func CheckBounds(operation string, size, length int, bounds []int) {
	ok := len(bounds) == size+1 && bounds[0] == 0 && (length == UnknownLength || bounds[size] == length)
	for r := 0; ok && r < size; r++ {
		ok = bounds[r] <= bounds[r+1]
	}
	if !ok {
		panic(fmt.Sprintf("collective: %s of %d elements among %d ranks with bounds %v", operation, length, size, bounds))
	}
}

// Alone is the communicator of one process.
type Alone struct{}

var _ Communicator = Alone{}

func (Alone) Rank() int                                  { return 0 }
func (Alone) Size() int                                  { return 1 }
func (Alone) ReduceScatter([]float32, []int) Request     { return done{} }
func (Alone) AllGather([]byte, []int) Request            { return done{} }
func (Alone) Broadcast([]byte) Request                   { return done{} }
func (Alone) Gather(part, whole []byte, _ []int) Request { copy(whole, part); return done{} }
func (Alone) Abort(int)                                  {}
func (Alone) Close() error                               { return nil }

// done is a Request that has ended.
type done struct{}

func (done) Wait() error { return nil }

// All waits for several requests, and returns the first error.
func All(requests []Request) error {
	var first error
	for _, r := range requests {
		if err := r.Wait(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
