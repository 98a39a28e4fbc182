//go:build mpi && linux

package mpi

import (
	"runtime"

	"trainer/internal/collective"
	"trainer/internal/fault"
	"trainer/internal/mpi/openmpi"
)

// Join connects this process with the others that the launcher has started: all of them call it. A process that was started alone gets the
// communicator of one. Errors are of the class of unavailable devices.
func Join(o Options) (collective.Communicator, error) {
	_, launched, ok := Launched()
	if !ok {
		return collective.Alone{}, nil
	}
	if err := openmpi.Load(); err != nil {
		return nil, fault.Devicef("%d processes were started together, but %w: install Open MPI, on Debian the package openmpi-bin", launched, err)
	}
	t := &thread{options: o, incoming: make(chan *operation, 64), memory: memory{spare: make(map[int][][]float32)}}
	started := make(chan error)
	go t.serve(started)
	if err := <-started; err != nil {
		return nil, fault.Devicef("MPI: %w", err)
	}
	if t.size != launched {
		return nil, fault.Devicef("%d processes were started together, but Open MPI knows of %d: start them by the mpirun of Open MPI",
			launched, t.size)
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // or the thread would wait for those that compute
	return t, t.introduce()
}
