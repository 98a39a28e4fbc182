package emulated

import (
	"errors"
	"fmt"
	"net"
	"time"

	"trainer/internal/collective"
	"trainer/internal/cuda/driver"
	"trainer/internal/ptx"
	"trainer/internal/tcp"
	"trainer/internal/vm"
)

// communicator stands in for NCCL: devices of goroutines or processes of one machine, connected by package tcp.
//
// An operation is two tasks. The first takes what this rank has, and runs when the operation is queued, with all that it comes after: or a
// rank whose host waits for nothing would let the others wait for ever. The second waits for the other ranks and writes what came of it; it
// runs late, as all tasks do.
type communicator struct {
	device *Device
	host   collective.Communicator
	closed bool
}

// patience is how long ranks wait for each other to join.
const patience = time.Minute

// NewGroup listens for the others. The name of the group is the address.
func (d *Device) NewGroup() (name []byte, err error) {
	err = d.call(func() error {
		if d.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		name = []byte(d.listener.Addr().String())
		return nil
	})
	return name, err
}

// Join connects to the group. Rank 0 is the one that has named it.
func (d *Device) Join(group []byte, rank, size int) (c driver.Communicator, err error) {
	err = d.callOutside("Join", func() error {
		var host collective.Communicator
		o := tcp.Options{Timeout: patience}
		switch {
		case rank > 0:
			host, err = tcp.Follow(tcp.Place{Rank: rank, Size: size, Address: string(group)}, o)
		case d.listener == nil:
			err = errors.New("rank 0 must be the one that has called NewGroup")
		default:
			host, err = tcp.Lead(d.listener, size, o)
		}
		if err != nil {
			return fmt.Errorf("joining the group %s: %w", group, err)
		}
		d.joined = &communicator{device: d, host: host}
		c = d.joined
		return nil
	})
	return c, err
}

func (c *communicator) Name() string { return "NCCL in Go" }

// Close leaves the others to themselves.
func (c *communicator) Close() error {
	return c.device.call(func() error {
		c.leave()
		return nil
	})
}

func (c *communicator) leave() {
	if !c.closed {
		c.closed = true
		go c.host.Close() // whenever all have
	}
}

// exchange is what an operation does on the host: send begins it with the values of this rank, and result is what they are replaced by, from
// an element on, when it has ended.
type exchange struct {
	name   string
	send   func(values []float32) collective.Request
	result func() (values []float32, from int)
}

// queue queues an operation on n values.
func (c *communicator) queue(on driver.Stream, values driver.Pointer, n int, e exchange) error {
	s, ok := on.(*stream)
	if !ok || s.device != c.device {
		return fmt.Errorf("%s: the stream is not of this GPU", e.name)
	}
	return s.call(func() error {
		switch {
		case s.capture != nil:
			err := fmt.Errorf("%s: stream %d is captured", e.name, s.index)
			s.capture.spoil(err)
			return err
		case c.closed:
			return fmt.Errorf("%s: the communicator is closed", e.name)
		case n < 1 || values%4 != 0:
			return fmt.Errorf("%s of %d values at %#x: at least 1, and a multiple of 4, expected", e.name, n, values)
		}
		r, err := s.device.reach(values, 4*n)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		gpu, at := s.device.gpu, ptx.Address(values)
		host := make([]float32, n)
		var request collective.Request
		send := s.push(&task{
			name: e.name + ", sending", uses: []*resource{r}, touched: []ptx.Span{span(at, 4*n, false)},
			run: func(*task) error {
				if err := gpu.CopyOut(vm.Bytes(host), at); err != nil {
					return err
				}
				request = e.send(host)
				return nil
			},
		})
		s.push(&task{
			name: e.name, uses: []*resource{r}, touched: []ptx.Span{span(at, 4*n, true)},
			run: func(*task) error {
				if err := request.Wait(); err != nil {
					return err
				}
				part, from := e.result()
				if len(part) == 0 {
					return nil
				}
				return gpu.CopyIn(at+ptx.Address(4*from), vm.Bytes(part))
			},
		})
		if err := s.device.schedule.force(send, s.device.execute); err != nil {
			s.device.failed = err
			return err
		}
		return nil
	})
}

func (c *communicator) ReduceScatter(s driver.Stream, values driver.Pointer, bounds []int) error {
	driver.CheckBounds("ReduceScatter", bounds, c.host.Size())
	var host []float32
	return c.queue(s, values, bounds[c.host.Size()], exchange{
		name: "ReduceScatter",
		send: func(values []float32) collective.Request {
			host = values
			return c.host.ReduceScatter(host, bounds)
		},
		result: func() ([]float32, int) {
			from, to := bounds[c.host.Rank()], bounds[c.host.Rank()+1]
			return host[from:to], from
		},
	})
}

func (c *communicator) AllReduce(s driver.Stream, values driver.Pointer, n int) error {
	var all []float32 // of each rank, one behind the other
	return c.queue(s, values, n, exchange{
		name: "AllReduce",
		send: func(values []float32) collective.Request {
			all = make([]float32, n*c.host.Size())
			copy(all[n*c.host.Rank():], values)
			bounds := make([]int, c.host.Size()+1)
			for r := range bounds {
				bounds[r] = 4 * n * r
			}
			return c.host.AllGather(vm.Bytes(all), bounds)
		},
		result: func() ([]float32, int) {
			sum := all[:n]
			for i, v := range all[n:] {
				sum[i%n] += v
			}
			return sum, 0
		},
	})
}

func (c *communicator) AllGather(s driver.Stream, values driver.Pointer, bounds []int) error {
	driver.CheckBounds("AllGather", bounds, c.host.Size())
	var host []float32
	return c.queue(s, values, bounds[c.host.Size()], exchange{
		name: "AllGather",
		send: func(values []float32) collective.Request {
			host = values
			inBytes := make([]int, len(bounds))
			for r, at := range bounds {
				inBytes[r] = 4 * at
			}
			return c.host.AllGather(vm.Bytes(host), inBytes)
		},
		result: func() ([]float32, int) { return host, 0 },
	})
}
