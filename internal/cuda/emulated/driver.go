// Package emulated is a GPU without a GPU: driver.Driver on the emulator of package ptx. It runs the very PTX that ships, on any machine,
// and holds the program that drives it to rules which real hardware breaks silently.
//
// In go the calls of package driver; out come results, errors and, by Device.Counters, what each kernel did. Start reading at task.go and
// schedule.go: every call that queues work makes a task, which runs when something waits for it, and no sooner. stream.go, event.go and
// graph.go make tasks; device.go, resource.go and host.go know what they use; product.go stands in for the vendor's matrix products.
//
// # What a wrong program meets
//
// Work of different streams runs in an order that the seed chooses among those that events permit: as late as possible, other streams
// first, or any. A wait that was forgotten so gives wrong data for some seed, and where races are searched for it is an error for every
// seed: two pieces of work, of which one writes what the other touches, need an order given by a stream, events or the host. The search
// knows each byte: two streams may work on parts of one allocation.
//
// An upload reads host memory when it runs, and it is an error if that has changed since the call. The memory that a download goes to is
// filled with NaNs by the call, so that a host that does not wait sees those; so is new host memory, and host memory that was freed.
// Memory, modules, graphs and plans cannot be given back while queued work names them; what a kernel reaches by pointers that lie in device
// memory is known only when it runs, and a use after free is found then.
//
// # What differs from a GPU
//
// Time does not exist: nothing runs at once, and an event has happened only if something waited for it. Errors of the work itself are sticky as on
// a GPU, those of package ptx's checks included.
package emulated

import (
	"fmt"
	"slices"

	"trainer/internal/cuda/driver"
)

// Options say what the driver shows and how its devices behave. The zero value is a driver of today with one device.
type Options struct {
	Version     int                 // of CUDA, as driver.Driver's; 0 means 12090
	Devices     []driver.Properties // nil means DefaultProperties alone; none where it is empty but not nil
	Seed        uint64              // of the order in which streams, blocks and warps run
	IgnoreRaces bool                // do not search for races, within kernels and between streams, which takes most of the time
	MatMul      bool                // Device.MatMul returns a stand-in for cuBLASLt, in plain Go
}

// DefaultProperties are those of the device that Options show if they say nothing else: the limits of compute capability 8.0, with a
// small machine's memory and multiprocessors.
func DefaultProperties() driver.Properties {
	return driver.Properties{
		Name: "Emulated GPU", Capability: 80, Memory: 16 << 30, Multiprocessors: 4, SharedMemory: 163 << 10, PTXOnly: true,
	}
}

type emulation struct{ options Options }

// New returns the driver. The memory of its devices is real only where it is used.
func New(o Options) driver.Driver {
	if o.Version == 0 {
		o.Version = 12090
	}
	if o.Devices == nil {
		o.Devices = []driver.Properties{DefaultProperties()}
	}
	return &emulation{o}
}

func (e *emulation) Version() int { return e.options.Version }

func (e *emulation) Devices() ([]driver.Properties, error) {
	return slices.Clone(e.options.Devices), nil
}

func (e *emulation) Open(index int) (driver.Device, error) {
	if index < 0 || index >= len(e.options.Devices) {
		return nil, fmt.Errorf("there is no GPU %d: the emulated driver shows %d", index, len(e.options.Devices))
	}
	return newDevice(e.options.Devices[index], e.options), nil
}
