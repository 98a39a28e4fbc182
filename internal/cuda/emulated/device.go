package emulated

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"sync"

	"trainer/internal/cuda/driver"
	"trainer/internal/ptx"
)

// Device is an emulated GPU. It is what the driver's Open returns.
type Device struct {
	busy       sync.Mutex
	properties driver.Properties
	options    Options
	gpu        *ptx.Device
	schedule   schedule
	memory     map[ptx.Address]*resource // by where it begins
	host       []*hostMemory
	seed       maphash.Seed           // of the checksums of host memory
	loaded     map[string]*ptx.Module // by their text: PTX is decoded once
	counters   map[string]*ptx.Counters
	captures   []*capture   // that have begun and not ended
	history    []*task      // done, and not known to the host or not known to come before all that is to run
	streams    int          // ever made
	listener   net.Listener // of a group that NewGroup has named
	joined     *communicator
	failed     error // nothing works from then on
}

func newDevice(p driver.Properties, o Options) *Device {
	return &Device{
		properties: p, options: o,
		gpu:      ptx.NewDevice(ptx.Options{Seed: o.Seed, Memory: p.Memory, IgnoreRaces: o.IgnoreRaces}),
		schedule: schedule{random: rand.New(rand.NewPCG(o.Seed, 1))},
		memory:   map[ptx.Address]*resource{},
		seed:     maphash.MakeSeed(),
		loaded:   map[string]*ptx.Module{},
		counters: map[string]*ptx.Counters{},
	}
}

// call does the work of a method, unless the device has failed or another goroutine uses it.
func (d *Device) call(f func() error) error {
	if !d.busy.TryLock() {
		return errors.New("two goroutines use the GPU at the same time: at most one may")
	}
	defer d.busy.Unlock()
	if d.failed != nil {
		return d.failed
	}
	return f()
}

// callOutside is call for what is forbidden while a stream is captured. As on a GPU, trying it spoils the capture.
func (d *Device) callOutside(what string, f func() error) error {
	return d.call(func() error {
		if len(d.captures) == 0 {
			return f()
		}
		err := fmt.Errorf("%s is not possible between BeginCapture and EndCapture", what)
		for _, c := range d.captures {
			c.spoil(err)
		}
		return err
	})
}

func (d *Device) Properties() driver.Properties { return d.properties }

func (d *Device) FreeMemory() (free int, err error) {
	err = d.call(func() error {
		free = d.gpu.Available()
		return nil
	})
	return free, err
}

func (d *Device) Allocate(size int) (p driver.Pointer, err error) {
	err = d.callOutside("Allocate", func() error {
		base, err := d.gpu.Alloc(size)
		if errors.Is(err, ptx.ErrOutOfMemory) {
			return fmt.Errorf("%w: %w", driver.ErrOutOfMemory, err)
		} else if err != nil {
			return err
		}
		d.memory[base] = &resource{name: fmt.Sprintf("device memory of %d bytes at %#x", size, base)}
		p = driver.Pointer(base)
		return nil
	})
	return p, err
}

func (d *Device) Free(p driver.Pointer) error {
	return d.callOutside("Free", func() error {
		if r := d.memory[ptx.Address(p)]; r != nil {
			if err := d.release(r); err != nil {
				return err
			}
			delete(d.memory, ptx.Address(p))
		}
		return d.gpu.Free(ptx.Address(p))
	})
}

// reach returns the allocation that n bytes at p lie in.
func (d *Device) reach(p driver.Pointer, n int) (*resource, error) {
	base, err := d.gpu.Reach(ptx.Address(p), n)
	if err != nil {
		return nil, err
	}
	return d.memory[base], nil
}

// queue makes a task run some time.
func (d *Device) queue(t *task) {
	if t.host != nil {
		t.host = d.watch(t.host.memory, t.host.download)
	}
	d.schedule.add(t)
}

// wait runs a task that the host waits for, and with it others.
func (d *Device) wait(t *task) error {
	if t == nil {
		return nil
	}
	if err := d.schedule.force(t, d.execute); err != nil {
		d.failed = err
		return err
	}
	d.learn(t)
	return nil
}

// execute runs a task whose turn has come. Its error is a *driver.Fault.
func (d *Device) execute(t *task) error {
	err := d.unchanged(t.host)
	if err == nil && t.run != nil {
		err = t.run(t)
	}
	if !d.options.IgnoreRaces {
		if race := d.ordered(t); race != nil {
			err = race // the reason of any other error
		}
	}
	d.history = append(d.history, t)
	var fault *driver.Fault
	if err == nil || errors.As(err, &fault) {
		return err
	}
	return &driver.Fault{Err: fmt.Errorf("%s: %w", t.name, err)}
}

// Close ends the use of the device. It is an error if there is work that nobody waited for.
func (d *Device) Close() error {
	err := d.call(func() error {
		for t := range d.unfinished {
			if t.run != nil {
				return fmt.Errorf("the GPU is closed while %s is queued: nobody waited for it, and it need not have run", t.name)
			}
		}
		return nil
	})
	var fault *driver.Fault
	if errors.As(err, &fault) { // it was returned when it came up
		err = nil
	}
	d.failed = errors.New("the GPU is closed")
	if d.joined != nil {
		d.joined.leave()
	}
	return err
}
