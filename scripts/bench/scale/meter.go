package main

import (
	"time"

	"trainer/internal/collective"
)

// meter is a communicator that counts what its rank sends and how long it waits.
type meter struct {
	collective.Communicator
	sent           int64         // bytes; what MPI itself adds to them is not counted
	reduce, gather time.Duration // in Wait of ReduceScatter, and of AllGather
}

func (m *meter) ReduceScatter(values []float32, bounds []int) collective.Request {
	rank := m.Rank()
	m.sent += 4 * int64(len(values)-(bounds[rank+1]-bounds[rank])) // to each other rank its part
	return &metered{m.Communicator.ReduceScatter(values, bounds), &m.reduce}
}

func (m *meter) AllGather(data []byte, bounds []int) collective.Request {
	rank := m.Rank()
	m.sent += int64(m.Size()-1) * int64(bounds[rank+1]-bounds[rank])
	return &metered{m.Communicator.AllGather(data, bounds), &m.gather}
}

// metered adds the time of its Wait to a sum.
type metered struct {
	collective.Request
	sum *time.Duration
}

func (r *metered) Wait() error {
	begin := time.Now()
	defer func() { *r.sum += time.Since(begin) }()
	return r.Request.Wait()
}
