// Package mpi connects the processes that a launcher of MPI has started, as mpirun -n 4 train does, on any number of machines.
//
//	mpirun -n N -> N processes -> Join -> collective.Communicator
//
// Builds with the tag mpi, on Linux, have it; Open MPI's library is loaded when a launcher has started the program, and never otherwise. A
// build without the tag knows a launcher too, so that it does not train N times the same.
//
// MPI moves data of operations under way only inside of calls of its own. Here one thread makes all calls (MPI_THREAD_FUNNELED): it begins
// what the trainer asks for and tests what is under way, so that gradients travel while the trainer computes. No call of it waits, and so it
// also sees that another rank is not heard of any more.
//
// Start at Join; thread.go is the thread, pulse.go who watches whom.
package mpi

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Options are how ranks treat each other.
type Options struct {
	// Timeout is how long a rank may not be heard of, stopped, dead or cut off, before all end.
	Timeout time.Duration
	// Lost is told of such a rank, on one of the others, ahead of the end of all processes with exit code 1. It may be called on any goroutine.
	Lost func(err error)
}

// LostError says that a rank is not heard of any more.
type LostError struct {
	Rank  int
	Place string // "process 4711 on node1"
	After time.Duration
}

func (e *LostError) Error() string {
	return fmt.Sprintf("rank %d, %s, has not been heard of for %v: it is stopped or dead, or its machine or the network is: all ranks end",
		e.Rank, e.Place, e.After.Round(time.Second))
}

// Launched says whether a launcher has started this process as one of several, and which and of how many it then is. It asks the
// variables that Open MPI's mpirun sets, those of PMI, which MPICH and Slurm set, and those of a step of Slurm with PMIx, which says nothing of
// the size (srun --mpi=pmix).
func Launched() (rank, size int, ok bool) {
	number := func(names ...string) int {
		text := ""
		for _, name := range names {
			text = cmp.Or(text, os.Getenv(name))
		}
		n, _ := strconv.Atoi(text) // nothing is 0
		return n
	}
	size = number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
	if size == 0 && os.Getenv("PMIX_RANK") != "" {
		size = number("SLURM_STEP_NUM_TASKS")
	}
	return number("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"), size, size > 1
}
