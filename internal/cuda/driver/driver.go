// Package driver says what the CUDA backend needs of a GPU: devices, memory, kernels, streams, events and graphs.
//
// Package native implements it on NVIDIA's driver, in builds with the tag gpu; package emulated on the emulator of package ptx, in every
// build. Both behave alike down to the order in which streams may run, so that what the backend does on one it does on the other.
//
// Start at Driver, then Device and Stream; communicator.go is what devices of several processes do together.
package driver

import (
	"errors"
	"fmt"

	"trainer/internal/cuda/kernels"
)

// Pointer is an address in the memory of a device. 0 is none.
type Pointer = kernels.Pointer

// Driver is an installed driver. Its methods may be called from any goroutine, as may those of all that it gives out, though not at the
// same time for one device.
type Driver interface {
	// Version is the newest version of CUDA that the driver serves, major·1000 + minor·10: 12090 for 12.9.
	Version() int
	// Devices describes the devices that CUDA_VISIBLE_DEVICES leaves, in order.
	Devices() ([]Properties, error)
	// Open opens a device for use.
	Open(index int) (Device, error)
}

// Properties describe a device.
type Properties struct {
	Name            string // "NVIDIA H100 80GB HBM3"
	Capability      int    // compute capability, major·10 + minor: 80, 90
	Memory          int    // bytes in all
	Multiprocessors int
	SharedMemory    int  // the most bytes of shared memory that a block may ask for
	PTXOnly         bool // it runs no machine code: load PTX
}

// Device is an open GPU.
type Device interface {
	Properties() Properties
	// FreeMemory is how many bytes can be allocated now.
	FreeMemory() (int, error)

	// Allocate returns memory aligned to 256 bytes, of unknown contents; size is at least 1. The error is ErrOutOfMemory where there is too
	// little.
	Allocate(size int) (Pointer, error)
	// Free gives memory back that no queued work uses.
	Free(Pointer) error
	// AllocateHost returns page-locked host memory, which streams copy from and to while the host goes on. The garbage collector does not know
	// it.
	AllocateHost(size int) ([]byte, error)
	// FreeHost gives it back; no queued work may use it.
	FreeHost([]byte) error

	// Load loads a module: a cubin or the text of PTX. name is for messages.
	Load(name string, image []byte) (Module, error)
	NewStream() (Stream, error)
	NewEvent() (Event, error)
	// MatMul returns the vendor's library of matrix products, cuBLASLt, or an error that says why there is none.
	MatMul() (MatMul, error)
	// NewGroup returns what names a new group of devices: one rank asks for it and gives it to the others.
	NewGroup() ([]byte, error)
	// Join makes the device that of a rank of a group. It waits until all ranks have called it.
	Join(group []byte, rank, size int) (Communicator, error)
	// Close gives everything back that the device holds.
	Close() error
}

// Module is loaded machine code.
type Module interface {
	// Kernel returns an entry of the module, ready to ask for the given bytes of dynamic shared memory.
	Kernel(name string, shared int) (Kernel, error)
	Unload() error
}

// Kernel is an entry of a loaded module.
type Kernel interface{ Name() string }

// Stream is a queue of work. Work of one stream runs in its order; that of different streams in any order that events leave open, and
// after the call that queued it has returned. Errors of the work itself come up in any later call, at the latest in Synchronize.
//
// Between BeginCapture and EndCapture nothing runs: work that is queued is recorded into a graph instead. A graph replays it with the
// pointers and arguments of the recording. Another stream joins the capture by waiting for an event of it, and must be waited for by the
// capturing stream before the end. Meanwhile nothing may be waited for, allocated, freed or loaded on the device.
type Stream interface {
	// Launch queues a kernel with the grid, block, shared memory and arguments of l.
	Launch(k Kernel, l kernels.Launch) error
	// Multiply queues a product: see Product. Pointers that the plan does not use are 0.
	Multiply(p MatMulPlan, o MatMulOperands) error
	// Upload queues a copy of host memory from AllocateHost; Download one to it.
	Upload(to Pointer, from []byte) error
	Download(to []byte, from Pointer) error
	// Copy queues a copy within the device.
	Copy(to, from Pointer, size int) error
	// Fill queues setting n words of 32 bits.
	Fill(to Pointer, word uint32, n int) error

	// Record queues e: it has happened when all work queued before has ended. Wait makes later work of the stream wait until e, as last
	// recorded, has happened.
	Record(e Event) error
	Wait(e Event) error

	BeginCapture() error
	EndCapture() (Graph, error)
	// Replay queues the work of a graph.
	Replay(Graph) error

	// Synchronize waits until all queued work has ended.
	Synchronize() error
	Close() error
}

// Event is a point in a stream.
type Event interface {
	// Synchronize waits until the event, as last recorded, has happened.
	Synchronize() error
	Close() error
}

// Graph is recorded work, ready to be replayed.
type Graph interface{ Close() error }

// MatMul is a library of matrix products.
type MatMul interface {
	// Name names the library with its version: "cuBLASLt 12.9.1".
	Name() string
	// Plan prepares products of one shape. The product may use workspace bytes of device memory. The error is ErrUnsupported where the
	// library has no such product.
	Plan(p Product, workspace int) (MatMulPlan, error)
}

// MatMulPlan is a prepared product.
type MatMulPlan interface{ Close() error }

// Element is the type of the elements of a matrix.
type Element int

const (
	Float32 Element = iota
	BFloat16
)

// Size is the size of an element in bytes.
func (e Element) Size() int {
	if e == BFloat16 {
		return 2
	}
	return 4
}

// Epilogue is what a product does with its sums before they are written.
type Epilogue = kernels.Function

const (
	Plain    = kernels.Plain        // c = sum + bias + addend
	GELU     = kernels.WithGELU     // c = GELU(sum + bias), and pre = sum + bias
	GELUGrad = kernels.WithGELUGrad // c = GELU'(pre)·sum
)

// Product is the shape of c = epilogue(op(a)·op(b)): row-major matrices, whose rows lie a pitch, in elements, apart. Sums are in float32.
// GELU is that of GPT-2, with tanh. It means what kernels.Epilogue does, which has an addend with every function and needs no pre with GELU.
type Product struct {
	kernels.Product
	In, Out                Element // of a and b; of c and pre
	PitchA, PitchB, PitchC int
	Bias, Addend           bool    // with a bias [N]; with an addend, laid out as c
	BiasElement            Element // of the bias; cuBLASLt takes one of the elements of c alone
	Epilogue               Epilogue
}

// MatMulOperands are the operands of a product. Addend may be C.
type MatMulOperands struct {
	A, B, C, Bias, Addend, Pre Pointer
	Workspace                  Pointer
}

// ErrOutOfMemory says that a device has less free memory than was asked for.
var ErrOutOfMemory = errors.New("out of memory")

// ErrUnsupported says that a library has no product of the kind that was asked for: it is to be made by a kernel of package kernels.
var ErrUnsupported = errors.New("not supported")

// Fault is an error after which a device runs nothing more: a kernel that read what is not its own, or the device fell off.
type Fault struct {
	Kernel string // the kernel that did it, where that is known
	Err    error
}

func (f *Fault) Error() string {
	if f.Kernel == "" {
		return fmt.Sprintf("the GPU failed: %v", f.Err)
	}
	return fmt.Sprintf("the GPU failed in kernel %s: %v", f.Kernel, f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }
