// Package tcp connects processes by TCP, and needs nothing but the network: those that torchrun or its like has started, with an address
// of rank 0 in their environment. It is how the processes of several GPUs find each other and agree; gradients go by NCCL.
//
//	RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT -> FromEnvironment -> Join -> collective.Communicator
//
// Every rank has one connection, to rank 0. It sends there its part of each operation, in the order of the calls, and rank 0 answers with
// what came of it. So a sum has the order of ranks. All traffic passes by rank 0: for the gradients of large models on CPUs package mpi is
// faster.
//
// Start at Join; hub.go is rank 0, spoke.go another rank, frame.go what goes between them.
package tcp

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"trainer/internal/fault"
)

// Place is where a process is among those that train together.
type Place struct {
	Rank, Size int
	Address    string // of rank 0: "node0:29500"
}

// Options are how ranks treat each other.
type Options struct {
	// Timeout is how long ranks wait for each other to come, and how long a machine may not be heard of before its ranks count as lost.
	Timeout time.Duration
	// Ended is told, once and on any goroutine, that a rank is lost or has called Abort: a *LostError or a *collective.AbortedError. It is to end
	// the process where that may wait for a GPU, which will wait for the other rank's for ever. Nil is nobody.
	Ended func(err error)
}

// LostError says that a rank's process or machine is gone.
type LostError struct {
	Rank int
	Why  string
}

func (e *LostError) Error() string { return fmt.Sprintf("rank %d is lost (%s)", e.Rank, e.Why) }

// agentStore is set by torchrun where its own store listens on MASTER_PORT.
const agentStore = "TORCHELASTIC_USE_AGENT_STORE"

// FromEnvironment returns the place that torchrun's variables give, or nil where they are not set or there is one process alone. Where
// torchrun itself listens on MASTER_PORT, rank 0 takes the port after that. Its errors are of wrong usage.
func FromEnvironment() (*Place, error) {
	const names = "RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as torchrun sets them"
	host, sizeText := os.Getenv("MASTER_ADDR"), os.Getenv("WORLD_SIZE")
	if host == "" || sizeText == "" || os.Getenv("RANK") == "" {
		return nil, nil
	}
	size, err := strconv.Atoi(sizeText)
	if err != nil || size < 1 {
		return nil, fault.Usagef("the environment variable WORLD_SIZE is %q: expected a number of processes, with %s", sizeText, names)
	}
	rank, err := strconv.Atoi(os.Getenv("RANK"))
	if err != nil || rank < 0 || rank >= size {
		return nil, fault.Usagef("the environment variable RANK is %q: expected 0 to %d, with %s", os.Getenv("RANK"), size-1, names)
	}
	port, err := strconv.Atoi(os.Getenv("MASTER_PORT"))
	if err != nil || port < 1 || port > 65534 {
		return nil, fault.Usagef("the environment variable MASTER_PORT is %q: expected 1 to 65534, with %s", os.Getenv("MASTER_PORT"), names)
	}
	if os.Getenv(agentStore) == "True" {
		port++
	}
	if size == 1 {
		return nil, nil
	}
	return &Place{Rank: rank, Size: size, Address: net.JoinHostPort(host, strconv.Itoa(port))}, nil
}
