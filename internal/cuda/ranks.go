package cuda

import (
	"errors"

	"trainer/internal/collective"
	"trainer/internal/cuda/driver"
)

// ranks connects the backend with those of other processes, each on a GPU of its own. What they do together goes on a stream beside the
// programs', so that gradients travel while the backward pass goes on.
type ranks struct {
	driver.Communicator
	rank, size int
	stream     driver.Stream
	ready      driver.Event // what an operation needs is there
	done       driver.Event // operations have ended
}

// Join connects the backend with those of the other processes of a group, which all call it, ahead of their first program. An error that
// one of them finds before they wait for each other's GPUs is all processes'.
func (b *Backend) Join(group collective.Communicator) error {
	name, err := b.device.NewGroup() // on all, to see that each has the library
	if err := collective.Agree(group, err); err != nil {
		return err
	}
	if name, err = collective.Lead(group, func() ([]byte, error) { return name, nil }); err != nil {
		return err
	}
	r := &ranks{rank: group.Rank(), size: group.Size()}
	if r.Communicator, err = b.device.Join(name, r.rank, r.size); err != nil {
		return err
	}
	if r.stream, err = b.device.NewStream(); err != nil {
		return err
	}
	if r.ready, err = b.device.NewEvent(); err != nil {
		return err
	}
	if r.done, err = b.device.NewEvent(); err != nil {
		return err
	}
	b.ranks = r
	return nil
}

// number is the rank: 0 of a backend that is alone.
func (r *ranks) number() int {
	if r == nil {
		return 0
	}
	return r.rank
}

// beside queues what ranks do together behind all that the compute stream has to do now.
func (b *Backend) beside(queue func(r *ranks) error) error {
	r := b.ranks
	if err := b.stage.flush(); err != nil {
		return err
	}
	if err := b.compute.Record(r.ready); err != nil {
		return err
	}
	if err := r.stream.Wait(r.ready); err != nil {
		return err
	}
	return queue(r)
}

// rejoin has the compute stream wait for what was queued beside it.
func (b *Backend) rejoin() error {
	if err := b.ranks.stream.Record(b.ranks.done); err != nil {
		return err
	}
	return b.compute.Wait(b.ranks.done)
}

// leave ends what Join began, without waiting for other ranks.
func (r *ranks) leave() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.stream.Synchronize(), r.Communicator.Close())
}
