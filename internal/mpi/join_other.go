//go:build !mpi || !linux

package mpi

import (
	"trainer/internal/collective"
	"trainer/internal/fault"
)

// Join returns the communicator of this process alone, and an error of the class of unavailable devices where a launcher has started several.
func Join(Options) (collective.Communicator, error) {
	if _, size, ok := Launched(); ok {
		return nil, fault.Devicef("%d processes were started together, but this program is built without MPI and each would train alone: "+
			"build it on Linux with go build -tags mpi, or start it once", size)
	}
	return collective.Alone{}, nil
}
