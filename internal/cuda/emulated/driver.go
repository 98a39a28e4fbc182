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
// first, or any. A wait that was forgotten so gives wrong data for some seed. Where races are searched for it is an error for every seed
// in which both pieces of work run: of two that touch a byte, in memory of the device or page-locked memory, and of which one writes it,
// one must come before the other by a stream, events or the host's waiting. Streams may work on parts of one allocation.
//
// An upload reads host memory when it runs, and it is an error if that has changed since the call. The memory that a download goes to is
// filled with NaNs by the call, so that a host that does not wait sees those; so is new host memory, and host memory that was freed.
// Memory, modules, graphs and plans cannot be given back while work names them that the host has not waited for, whether it ran by chance
// or not. What a kernel reaches by pointers that lie in device memory is known only when it runs, and a use after free is found then.
//
// # What differs from a GPU
//
// Time does not exist: nothing runs at once, and nothing happens before something waits for it. Giving back what is in use, changing
// memory under a copy, pointers to no allocation and the use of a device by two goroutines are errors, where a GPU waits, is silent or
// fails later. Errors of the work itself stay, as on a GPU; what package ptx checks beyond a GPU, such as reads of bytes that were never
// written, is among them.
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
	IgnoreRaces bool                // do not search for races, in kernels and between streams, which costs time
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
