//go:build gpu && cgo && linux && amd64

package native

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"gorgonia.org/cu"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/native/libcuda"
)

// device is a GPU whose primary context is retained: the one that libraries use too.
type device struct {
	gpu        cu.Device
	context    cu.CUContext
	properties driver.Properties
	blocking   bool          // wait for each launch, to name the kernel that failed
	capturing  bool          // a stream records, and others may have joined it
	host       [][]byte      // page-locked memory
	failed     *driver.Fault // after it no call reaches the driver
	matmul     *library      // made by the first MatMul
}

// Open opens a device. One that failed works again after Close and Open, where nothing else in this process holds its context.
func (d installed) Open(index int) (driver.Device, error) {
	n, err := cu.NumDevices()
	if err != nil {
		return nil, fmt.Errorf("counting GPUs: %w", translate(err))
	}
	if index < 0 || index >= n {
		return nil, fmt.Errorf("there is no GPU %d, expected one from 0 to %d", index, n-1)
	}
	v := &device{blocking: os.Getenv("CUDA_LAUNCH_BLOCKING") == "1"}
	if v.gpu, err = cu.GetDevice(index); err == nil {
		v.properties, err = properties(v.gpu)
	}
	if err != nil {
		return nil, fmt.Errorf("GPU %d: %w", index, translate(err))
	}
	if v.context, err = v.gpu.RetainPrimaryCtx(); err != nil {
		return nil, fmt.Errorf("opening GPU %d (%s): %w", index, v.properties.Name, translate(err))
	}
	return v, nil
}

// enter makes the device's context that of the thread, and the thread that of the goroutine until leave. Its error is the fault that
// stopped the device.
func (d *device) enter() error {
	if d.failed != nil {
		return d.failed
	}
	runtime.LockOSThread()
	if err := cu.SetCurrentContext(d.context); err != nil {
		runtime.UnlockOSThread()
		return d.check(err)
	}
	return nil
}

// leave ends what enter began.
func (d *device) leave() { runtime.UnlockOSThread() }

// check translates an error of a call, and remembers a fault.
func (d *device) check(err error) error {
	err = translate(err)
	if fault, ok := err.(*driver.Fault); ok {
		d.failed = fault
	}
	return err
}

func (d *device) Properties() driver.Properties { return d.properties }

func (d *device) FreeMemory() (int, error) {
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer d.leave()
	free, _, err := cu.MemInfo()
	return int(free), d.check(err)
}

func (d *device) Allocate(size int) (driver.Pointer, error) {
	if size < 1 {
		panic(fmt.Sprintf("native: Allocate(%d): expected at least 1 byte", size))
	}
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer d.leave()
	p, err := cu.MemAlloc(int64(size))
	if err != nil {
		return 0, fmt.Errorf("allocating %d bytes on the GPU: %w", size, d.check(err))
	}
	return driver.Pointer(p), nil
}

func (d *device) Free(p driver.Pointer) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.leave()
	return d.check(cu.MemFree(cu.DevicePtr(p)))
}

func (d *device) AllocateHost(size int) ([]byte, error) {
	if size < 1 {
		panic(fmt.Sprintf("native: AllocateHost(%d): expected at least 1 byte", size))
	}
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	p, err := libcuda.AllocateHost(size)
	if err != nil {
		return nil, fmt.Errorf("allocating %d bytes of page-locked host memory: %w", size, d.check(err))
	}
	memory := unsafe.Slice((*byte)(p), size)
	d.host = append(d.host, memory)
	return memory, nil
}

func (d *device) FreeHost(memory []byte) error {
	i := slices.IndexFunc(d.host, func(h []byte) bool { return len(memory) > 0 && &h[0] == &memory[0] })
	if i < 0 {
		panic(fmt.Sprintf("native: FreeHost of %d bytes that AllocateHost did not return", len(memory)))
	}
	if err := d.enter(); err != nil {
		return err
	}
	defer d.leave()
	d.host = slices.Delete(d.host, i, i+1)
	return d.check(cu.MemFreeHost(unsafe.Pointer(&memory[0])))
}

// hostPointer is the address of memory that AllocateHost returned, or of a part of it. Other memory the garbage collector may free while
// the GPU still copies.
func (d *device) hostPointer(memory []byte) unsafe.Pointer {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	for _, h := range d.host {
		first := uintptr(unsafe.Pointer(&h[0]))
		if at >= first && at+uintptr(len(memory)) <= first+uintptr(len(h)) {
			return unsafe.Pointer(unsafe.SliceData(memory))
		}
	}
	panic(fmt.Sprintf("native: copying %d bytes of host memory that AllocateHost did not return", len(memory)))
}

// Close gives the context back, and with it all that was allocated and loaded in it. After a fault that is all that can be done.
func (d *device) Close() error {
	var closing []error
	if d.failed == nil {
		if d.matmul != nil {
			closing = append(closing, d.matmul.close())
		}
		for len(d.host) > 0 {
			closing = append(closing, d.FreeHost(d.host[0]))
		}
	}
	released := translate(d.gpu.ReleasePrimaryCtx())
	if _, again := released.(*driver.Fault); again && d.failed != nil {
		released = nil // it was returned when it came up
	}
	return errors.Join(append(closing, released)...)
}
