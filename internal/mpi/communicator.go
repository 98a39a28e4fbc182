//go:build mpi && linux

package mpi

import (
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"trainer/internal/collective"
	"trainer/internal/cpu/kernel"
	"trainer/internal/mpi/openmpi"
	"trainer/internal/vm"
)

var _ collective.Communicator = (*thread)(nil)

func (t *thread) Rank() int { return t.rank }
func (t *thread) Size() int { return t.size }

// counts turns the bounds of so many elements into MPI's counts and offsets.
func (t *thread) counts(operation string, length int, bounds []int) (counts, offsets []int32) {
	collective.CheckBounds(operation, t.size, length, bounds)
	if bounds[t.size] > math.MaxInt32 {
		panic(fmt.Sprintf("mpi: %s of %d elements: expected up to %d", operation, bounds[t.size], math.MaxInt32))
	}
	counts, offsets = make([]int32, t.size), make([]int32, t.size)
	for r := range counts {
		counts[r], offsets[r] = int32(bounds[r+1]-bounds[r]), int32(bounds[r])
	}
	return counts, offsets
}

// ReduceScatter has each rank send the others their parts, and add up what comes in the order of ranks: MPI's own reductions promise no order,
// and need not use all links at the same time.
func (t *thread) ReduceScatter(values []float32, bounds []int) collective.Request {
	counts, offsets := t.counts("ReduceScatter", len(values), bounds)
	mine := values[bounds[t.rank]:bounds[t.rank+1]]
	n := len(mine)
	parts := t.memory.take(n * t.size)
	partCounts, partOffsets := make([]int32, t.size), make([]int32, t.size)
	for r := range partCounts {
		partCounts[r], partOffsets[r] = int32(n), int32(r*n)
	}
	return t.ask(&operation{
		start: func() (*openmpi.Request, error) {
			return openmpi.AllToAll(values, counts, offsets, parts, partCounts, partOffsets)
		},
		ended: func() {
			add := kernel.Best().Add
			sum := parts[:n]
			for r := 1; r < t.size; r++ {
				add(sum, sum, parts[r*n:(r+1)*n])
			}
			copy(mine, sum)
			t.memory.give(parts)
		},
	})
}

// memory is that of sums, which takes as much as a gradient, for one step after the other.
type memory struct {
	mutex sync.Mutex
	spare map[int][][]float32 // by length
}

func (m *memory) take(n int) []float32 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	list := m.spare[n]
	if len(list) == 0 {
		return vm.AlignedFloat32s(n)
	}
	m.spare[n] = list[:len(list)-1]
	return list[len(list)-1]
}

func (m *memory) give(part []float32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.spare[len(part)] = append(m.spare[len(part)], part)
}

func (t *thread) AllGather(data []byte, bounds []int) collective.Request {
	counts, offsets := t.counts("AllGather", len(data), bounds)
	return t.ask(&operation{start: func() (*openmpi.Request, error) { return openmpi.AllGather(data, counts, offsets) }})
}

func (t *thread) Gather(part, whole []byte, bounds []int) collective.Request {
	length := collective.UnknownLength
	if t.rank == 0 {
		length = len(whole)
	}
	counts, offsets := t.counts("Gather", length, bounds)
	return t.ask(&operation{start: func() (*openmpi.Request, error) { return openmpi.Gather(part, whole, counts, offsets) }})
}

func (t *thread) Broadcast(data []byte) collective.Request {
	return t.ask(&operation{start: func() (*openmpi.Request, error) { return openmpi.Broadcast(data) }})
}

// Abort does not return.
func (t *thread) Abort(code int) {
	t.ask(&operation{start: func() (*openmpi.Request, error) {
		openmpi.Abort(code)
		return nil, nil
	}})
	time.Sleep(5 * time.Second) // far longer than MPI_Abort takes
	os.Exit(code)
}

// Close waits for the others, and ends MPI.
func (t *thread) Close() error {
	return t.ask(&operation{last: true}).Wait()
}
