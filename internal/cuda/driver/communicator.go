package driver

import (
	"fmt"

	"trainer/internal/collective"
)

// Communicator connects a device with those of the other ranks of a group, by a library such as NCCL. All ranks queue the same operations
// in the same order, with the same bounds. An operation runs on a stream as a kernel does, in place, and ends when it has on all ranks that it
// needs; none may be captured. Elements are float32.
//
// Bounds are Size+1 offsets from values on, that do not fall: the part of rank r is from bounds[r] to bounds[r+1], and may be empty.
type Communicator interface {
	// Name names the library with its version: "NCCL 2.27.3".
	Name() string
	// ReduceScatter sums the values of all ranks and leaves each rank its part of the sum. What the other parts hold then is not defined.
	// The same values give the same bits each time.
	ReduceScatter(s Stream, values Pointer, bounds []int) error
	// AllReduce leaves every rank the sum of n values, in the same bits.
	AllReduce(s Stream, values Pointer, n int) error
	// AllGather gives every rank each rank's part.
	AllGather(s Stream, values Pointer, bounds []int) error
	// Close gives the connection back, without waiting for other ranks. All operations have ended on all of them.
	Close() error
}

// CheckBounds panics where an operation among so many ranks is asked for with impossible bounds.
func CheckBounds(operation string, bounds []int, size int) {
	collective.CheckBounds(operation, size, collective.UnknownLength, bounds)
	if bounds[size] < 1 {
		panic(fmt.Sprintf("%s among %d ranks with bounds %v: expected at least one element", operation, size, bounds))
	}
}
