//go:build gpu && cgo && linux && amd64

package native

import (
	"fmt"
	"math"
	"unsafe"

	"gorgonia.org/cu"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/cuda/native/libcuda"
)

// stream is a queue of work.
type stream struct {
	device    *device
	queue     cu.Stream
	arguments arguments
}

// NewStream returns a stream that does not wait for the default stream.
func (d *device) NewStream() (driver.Stream, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	queue, err := cu.MakeStream(cu.NonBlocking)
	if err != nil {
		return nil, d.check(err)
	}
	return &stream{device: d, queue: queue}, nil
}

func (s *stream) handle() libcuda.Handle { return libcuda.Handle(s.queue.C()) }

// arguments are the arguments of a launch as the driver takes them: pointers to the values.
type arguments struct {
	values   []uint64
	pointers []unsafe.Pointer
}

// set writes the arguments of a launch into memory of earlier launches, where that is enough.
func (a *arguments) set(l kernels.Launch) []unsafe.Pointer {
	if n := len(l.Args); n > len(a.values) {
		a.values, a.pointers = make([]uint64, n), make([]unsafe.Pointer, n)
		for i := range a.values {
			a.pointers[i] = unsafe.Pointer(&a.values[i])
		}
	}
	for i, arg := range l.Args {
		switch v := arg.(type) {
		case kernels.Pointer:
			a.values[i] = uint64(v)
		case int32:
			a.values[i] = uint64(uint32(v))
		case int64:
			a.values[i] = uint64(v)
		case float32:
			a.values[i] = uint64(math.Float32bits(v))
		default:
			panic(fmt.Sprintf("native: argument %d of kernel %s is a %T, expected a Pointer, int32, int64 or float32", i, l.Kernel, arg))
		}
	}
	return a.pointers[:len(l.Args)]
}

func (s *stream) Launch(k driver.Kernel, l kernels.Launch) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	f := k.(*kernel)
	err := f.function.Launch(l.Grid[0], l.Grid[1], l.Grid[2], l.Block, 1, 1, l.Shared, s.queue, s.arguments.set(l))
	err = s.finish(f.name, err)
	if err == nil || s.device.failed != nil { // a fault may be that of an earlier kernel
		return err
	}
	return fmt.Errorf("launching kernel %s with grid %v, block %d, %d bytes of shared memory: %w", f.name, l.Grid, l.Block, l.Shared, err)
}

// finish is the end of a launch that returned err: where launches are waited for, a fault is the kernel's.
func (s *stream) finish(kernel string, err error) error {
	known := s.device.blocking && !s.device.capturing
	if known && err == nil {
		err = s.queue.Synchronize()
	}
	err = s.device.check(err)
	if known && s.device.failed != nil {
		s.device.failed.Kernel = kernel
	}
	return err
}

func (s *stream) Upload(to driver.Pointer, from []byte) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(cu.MemcpyHtoDAsync(cu.DevicePtr(to), s.device.hostPointer(from), int64(len(from)), s.queue))
}

func (s *stream) Download(to []byte, from driver.Pointer) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(cu.MemcpyDtoHAsync(s.device.hostPointer(to), cu.DevicePtr(from), int64(len(to)), s.queue))
}

func (s *stream) Copy(to, from driver.Pointer, size int) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(cu.MemcpyDtoDAsync(cu.DevicePtr(to), cu.DevicePtr(from), int64(size), s.queue))
}

func (s *stream) Fill(to driver.Pointer, word uint32, n int) error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(cu.MemsetD32Async(cu.DevicePtr(to), uint(word), int64(n), s.queue))
}

func (s *stream) Synchronize() error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(s.queue.Synchronize())
}

func (s *stream) Close() error {
	if err := s.device.enter(); err != nil {
		return err
	}
	defer s.device.leave()
	return s.device.check(s.queue.Destroy())
}
