package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"trainer/internal/cli"
	"trainer/internal/collective"
	"trainer/internal/fault"
	"trainer/internal/mpi"
	"trainer/internal/tcp"
	"trainer/train"
)

// How processes that were started together find each other: by the variables of torchrun where they are set, else by MPI.

// rankOf says which of several processes this is, by the environment. Without a launcher, and where the environment is wrong, it is 0.
func rankOf() int {
	if place, err := tcp.FromEnvironment(); err != nil || place != nil {
		if place == nil {
			return 0
		}
		return place.Rank
	}
	rank, _, _ := mpi.Launched()
	return rank
}

// join connects this process with the others of its launcher.
func (s *session) join() error {
	if s.rankTimeout < 1 {
		return fault.Usagef("-rank-timeout %d: expected at least 1 second", s.rankTimeout)
	}
	timeout := time.Duration(s.rankTimeout) * time.Second
	place, err := tcp.FromEnvironment()
	switch {
	case err != nil:
		return err
	case place != nil:
		if s.group, err = tcp.Join(*place, tcp.Options{Timeout: timeout, Ended: s.ended}); err != nil {
			err = fault.Devicef("%w", err)
			if place.Rank > 0 {
				tell(s.flags, err) // of this rank alone
			}
		}
	default:
		s.group, err = mpi.Join(mpi.Options{Timeout: timeout, Lost: func(err error) { tell(s.flags, onward(err)) }})
	}
	if err != nil {
		return err
	}
	s.processes = s.group.Size()
	if !s.leads() {
		s.view = silentView{}
	}
	return s.findLocalRank()
}

// tell writes an error to the error output, where cli.Main will not, or not soon enough.
func tell(flags *cli.Flags, err error) { fmt.Fprintf(os.Stderr, "%s: %v\n", flags.Name(), err) }

// onward adds to the loss of a rank what to do then.
func onward(err error) error {
	return fmt.Errorf("%w; the last checkpoint is whole, go on with -resume", err)
}

// grace is how long a process has to end by itself, or to be ended.
const grace = 5 * time.Second

// ended ends this process when a rank that is connected by TCP is lost, or has called Abort. It may wait for its GPU, which waits for that rank's.
func (s *session) ended(err error) {
	var lost *tcp.LostError
	var aborted *collective.AbortedError
	switch {
	case errors.As(err, &aborted): // that rank has said why
		time.AfterFunc(grace, func() { os.Exit(aborted.Code) })
	case errors.As(err, &lost):
		if s.rank == 0 || lost.Rank == 0 { // the others have heard it from rank 0
			tell(s.flags, onward(err))
		}
		os.Exit(fault.ExitFailure)
	}
}

// localVariable is the number of a process among those on its machine, where the launcher sets it as torchrun does.
const localVariable = "LOCAL_RANK"

// findLocalRank finds the number of this process among those on its machine, by which it chooses a GPU.
func (s *session) findLocalRank() error {
	if s.group.Size() == 1 {
		return nil
	}
	host, err := os.Hostname()
	local := -1
	if text := os.Getenv(localVariable); text != "" && err == nil {
		if local, err = strconv.Atoi(text); err != nil || local < 0 {
			err = fault.Usagef("the environment variable %s is %q: expected a number from 0 on", localVariable, text)
		}
	}
	if err := collective.Agree(s.group, err); err != nil {
		return err
	}
	hosts, err := collective.Exchange(s.group, []byte(host))
	if err != nil {
		return err
	}
	if s.localRank = local; local < 0 {
		s.localRank = 0
		for _, h := range hosts[:s.group.Rank()] {
			if slices.Equal(h, hosts[s.group.Rank()]) {
				s.localRank++
			}
		}
	}
	return nil
}

// known says that all ranks have come to the same end.
func known(err error) bool {
	return err == nil || errors.Is(err, fault.ErrInterrupted) || errors.As(err, new(*collective.Agreed)) || errors.As(err, new(*train.NonFiniteError))
}

// meet waits for the other ranks behind the work, so that none leaves the GPUs of others with half of what they do together.
func (s *session) meet(err error) error {
	if !known(err) {
		return err
	}
	_, failed := collective.Exchange(s.group, nil)
	return errors.Join(err, failed)
}

// leave ends this process's part with an error or without, and returns it. An error that the others do not know of ends them too.
func (s *session) leave(err error) error {
	var aborted *collective.AbortedError
	switch {
	case s.group.Size() == 1:
		return err
	case known(err):
		if err != nil && s.leads() { // ahead of Close: when a process has left with an error, its launcher may end the others at once
			tell(s.flags, err)
			s.flags.Silent = true
		}
		return errors.Join(err, s.group.Close())
	case errors.As(err, &aborted):
		return fault.WithCode(aborted.Code, aborted.Error())
	case errors.As(err, new(*tcp.LostError)):
		time.Sleep(grace) // ended tells so and ends the process
		return err
	}
	tell(s.flags, fmt.Errorf("rank %d of %d: %w", s.group.Rank(), s.group.Size(), err))
	s.group.Abort(fault.ExitCode(err))
	return err
}
