//go:build gpu && cgo && linux && amd64

package native

import (
	"bytes"
	"fmt"
	"unsafe"

	"gorgonia.org/cu"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/native/libcuda"
)

// module is loaded machine code.
type module struct {
	device *device
	name   string
	loaded cu.Module
}

// kernel is a function of a module.
type kernel struct {
	name     string
	function cu.Function
}

func (k *kernel) Name() string { return k.name }

// Load loads a cubin, or compiles PTX for the device; what the driver's compiler complains of is part of the error.
func (d *device) Load(name string, image []byte) (driver.Module, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	complaints := &cu.JITErrorLogBuffer{Buffer: make([]byte, 8<<10)}
	loaded, err := cu.LoadDataEx(string(image), complaints)
	if err != nil {
		text, _, _ := bytes.Cut(complaints.Buffer, []byte{0})
		return nil, fmt.Errorf("loading %s on %s (compute capability %d.%d): %w\n%s", name, d.properties.Name,
			d.properties.Capability/10, d.properties.Capability%10, d.check(err), bytes.TrimSpace(text))
	}
	return &module{device: d, name: name, loaded: loaded}, nil
}

func (m *module) Kernel(name string, shared int) (driver.Kernel, error) {
	if err := m.device.enter(); err != nil {
		return nil, err
	}
	defer m.device.leave()
	function, err := m.loaded.Function(name)
	if err != nil {
		return nil, fmt.Errorf("kernel %s of %s: %w", name, m.name, m.device.check(err))
	}
	if err := libcuda.AllowShared(functionHandle(function), shared); err != nil {
		return nil, fmt.Errorf("kernel %s of %s, %d bytes of dynamic shared memory of the at most %d of %s: %w",
			name, m.name, shared, m.device.properties.SharedMemory, m.device.properties.Name, m.device.check(err))
	}
	return &kernel{name: name, function: function}, nil
}

// functionHandle is the CUfunction in a cu.Function, which is a struct of nothing else and does not show it.
func functionHandle(f cu.Function) libcuda.Handle {
	const _ = -(unsafe.Sizeof(cu.Function{}) - unsafe.Sizeof(libcuda.Handle(nil))) // compiles only where both have one size
	return *(*libcuda.Handle)(unsafe.Pointer(&f))
}

func (m *module) Unload() error {
	if err := m.device.enter(); err != nil {
		return err
	}
	defer m.device.leave()
	return m.device.check(m.loaded.Unload())
}
