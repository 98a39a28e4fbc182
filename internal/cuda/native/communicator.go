//go:build gpu && cgo && linux && amd64

package native

import (
	"fmt"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/native/nccl"
)

// communicator is a device's part of a group of NCCL's.
type communicator struct {
	device *device
	comm   *nccl.Comm
	size   int
}

// NewGroup loads NCCL when it is first asked for.
func (d *device) NewGroup() ([]byte, error) {
	if err := nccl.Load(); err != nil {
		return nil, err
	}
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	return nccl.NewID()
}

func (d *device) Join(group []byte, rank, size int) (driver.Communicator, error) {
	if err := nccl.Load(); err != nil {
		return nil, err
	}
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	comm, err := nccl.Join(group, rank, size)
	if err != nil {
		return nil, fmt.Errorf("joining %d GPUs as rank %d by NCCL %s: %w", size, rank, nccl.Version(), err)
	}
	return &communicator{device: d, comm: comm, size: size}, nil
}

func (c *communicator) Name() string { return "NCCL " + nccl.Version() }

// on calls f in the context of the device.
func (c *communicator) on(operation string, f func() error) error {
	if err := c.device.enter(); err != nil {
		return err
	}
	defer c.device.leave()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return nil
}

func (c *communicator) ReduceScatter(s driver.Stream, values driver.Pointer, bounds []int) error {
	driver.CheckBounds("ReduceScatter", bounds, c.size)
	return c.on("ReduceScatter", func() error { return c.comm.ReduceScatter(s.(*stream).handle(), uint64(values), bounds) })
}

func (c *communicator) AllReduce(s driver.Stream, values driver.Pointer, n int) error {
	return c.on("AllReduce", func() error { return c.comm.AllReduce(s.(*stream).handle(), uint64(values), n) })
}

func (c *communicator) AllGather(s driver.Stream, values driver.Pointer, bounds []int) error {
	driver.CheckBounds("AllGather", bounds, c.size)
	return c.on("AllGather", func() error { return c.comm.AllGather(s.(*stream).handle(), uint64(values), bounds) })
}

func (c *communicator) Close() error { return c.on("closing NCCL", c.comm.Close) }
