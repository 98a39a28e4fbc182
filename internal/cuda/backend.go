// Package cuda is the CUDA backend: it rewrites a program for a GPU, binds each instruction to the kernels of package kernels or to the
// vendor's matrix products, captures them all as one graph and replays that graph.
//
//	vm.Program -> Rewrite (fuse, narrow) -> Bind (launches, a graph) -> Run (uploads, the graph) -> Read, Fetch
//
// The GPU works by itself: a run is queued and the host goes on; what it writes before a run goes through page-locked memory on a second
// stream, while the run before is still busy. Weights are adopted once for all programs; an Optimizer moves them where they are.
//
// The GPU is a driver.Device, the emulated one as well as a real one. A Backend is for one goroutine at a time.
//
// Backends of several processes are joined by Join: ranks.go is what they do beside their programs, sharded.go a step that they take together.
//
// Start at Backend, then bind.go for how an op becomes launches, and rewrite.go for what is put together.
package cuda

import (
	"errors"
	"fmt"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/vm"
)

// Precision is how values are kept between the instructions of a program.
type Precision int

const (
	// F32 keeps everything in float32.
	F32 Precision = iota
	// BF16 keeps what matrix products read and write in bfloat16, and weights in bfloat16 as well as in float32. Sums, statistics, the residual
	// stream with its gradient, and the gradients of the weights are in float32.
	BF16
)

// GEMM says who makes matrix products.
type GEMM int

const (
	Auto     GEMM = iota // cuBLASLt where there is one, for the products it has; else the kernels of package kernels
	CuBLASLt             // as Auto, but without cuBLASLt New fails
	Own                  // the kernels of package kernels
)

// Options are the choices of a backend.
type Options struct {
	Precision Precision
	GEMM      GEMM
}

// Backend runs programs on a GPU.
type Backend struct {
	device  driver.Device
	options Options
	compute driver.Stream // programs, and all that must be in order with them
	code    *code
	library *library // nil without cuBLASLt
	stage   *stage
	bounce  []byte // page-locked memory that Read goes through
	ranks   *ranks // nil without other processes

	adopted   []*adopted
	narrowed  []*narrowed
	changes   int         // of narrowed
	latest    *executable // that ran
	rotations map[rotationKey]rotation
}

var (
	_ vm.Rewriter = (*Backend)(nil)
	_ vm.Fetcher  = (*Backend)(nil)
)

// New returns a backend on a device, which its Close closes, as New does with an error.
func New(device driver.Device, o Options) (*Backend, error) {
	b := &Backend{device: device, options: o, code: newCode(device), rotations: make(map[rotationKey]rotation)}
	if err := b.open(); err != nil {
		return nil, errors.Join(err, device.Close())
	}
	return b, nil
}

func (b *Backend) open() (err error) {
	if b.compute, err = b.device.NewStream(); err != nil {
		return err
	}
	if b.stage, err = newStage(b.device, b.compute); err != nil {
		return err
	}
	if b.bounce, err = b.device.AllocateHost(bounceSize); err != nil {
		return err
	}
	if b.options.GEMM == Own {
		return nil
	}
	b.library, err = newLibrary(b.device)
	if b.options.GEMM == CuBLASLt || errors.Is(err, driver.ErrOutOfMemory) {
		return err
	}
	return nil
}

// Device names the GPU and what makes its matrix products: "NVIDIA H100 80GB HBM3 (bfloat16, cuBLASLt 12.9.1)".
func (b *Backend) Device() string {
	precision := map[Precision]string{F32: "float32", BF16: "bfloat16"}[b.options.Precision]
	products := "own matrix products"
	if b.library != nil {
		products = b.library.products.Name()
	}
	if b.ranks != nil {
		products += ", " + b.ranks.Name()
	}
	return fmt.Sprintf("%s (%s, %s)", b.device.Properties().Name, precision, products)
}

// Close waits for what was queued and closes the device with all that was allocated on it.
func (b *Backend) Close() error {
	return errors.Join(b.synchronize(), b.ranks.leave(), b.device.Close())
}

// synchronize waits for everything that was queued.
func (b *Backend) synchronize() error {
	if err := b.stage.flush(); err != nil {
		return err
	}
	return errors.Join(b.stage.upload.Synchronize(), b.compute.Synchronize())
}

// launch queues a kernel behind what was written.
func (b *Backend) launch(l kernels.Launch) error {
	if err := b.stage.flush(); err != nil {
		return err
	}
	k, err := b.code.kernel(l)
	if err != nil {
		return err
	}
	return b.compute.Launch(k, l)
}
