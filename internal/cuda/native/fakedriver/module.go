//go:build gpu && cgo && linux && amd64

package main

/*
#include <stdint.h>
#include <string.h>
*/
import "C"

import (
	"fmt"
	"unsafe"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
)

// module is loaded PTX, and once more for the sizes of its kernels' parameters.
type module struct {
	driver.Module
	parsed *ptx.Module
}

// parser parses PTX, and parsed is what it did by the text.
var (
	parser = ptx.NewDevice(ptx.Options{})
	parsed = map[string]*ptx.Module{}
)

// function is a kernel, as it was last asked for.
type function struct {
	module     *module
	name       string
	kernel     driver.Kernel
	parameters []int // in bytes
}

//export cuModuleLoadDataEx
func cuModuleLoadDataEx(handle *uintptr, image *C.char, n C.uint, options *C.int, values *uintptr) status {
	const errorLogBuffer, errorLogSize = 5, 6
	text := []byte(C.GoString(image))
	var loaded *module
	s := inContext(func(d driver.Device) error {
		m, err := d.Load("the image", text)
		if err != nil {
			return err
		}
		if parsed[string(text)] == nil {
			if parsed[string(text)], err = parser.Load("the image", string(text)); err != nil {
				return err
			}
		}
		loaded = &module{m, parsed[string(text)]}
		return nil
	})
	switch s {
	case success:
		*handle = add(loaded)
		return success
	case invalidContext:
		return s
	}
	given := map[C.int]uintptr{}
	for i, o := range unsafe.Slice(options, n) {
		given[o] = unsafe.Slice(values, n)[i]
	}
	if size := int(given[errorLogSize]); size > 0 {
		buffer := C.uintptr_t(given[errorLogBuffer])
		complaint := append([]byte(reasons[s]), 0)
		C.memcpy(*(*unsafe.Pointer)(unsafe.Pointer(&buffer)), unsafe.Pointer(&complaint[0]), C.size_t(min(size, len(complaint))))
	}
	return refuse(invalidPTX, "the PTX does not compile")
}

//export cuModuleUnload
func cuModuleUnload(handle uintptr) status {
	s := with(handle, func(m *module) error { return m.Unload() })
	remove(handle)
	return s
}

//export cuModuleGetFunction
func cuModuleGetFunction(handle *uintptr, loaded uintptr, name *C.char) status {
	f := &function{name: C.GoString(name)}
	s := with(loaded, func(m *module) (err error) {
		f.module = m
		f.kernel, err = m.Kernel(f.name, 0)
		return err
	})
	if s == invalidValue {
		return refuse(notFound, "%s", reasons[s])
	} else if s != success {
		return s
	}
	entry, err := f.module.parsed.Kernel(f.name)
	if err != nil {
		return result(err)
	}
	f.parameters = entry.ParamBytes()
	*handle = add(f)
	return success
}

//export cuFuncSetAttribute
func cuFuncSetAttribute(handle uintptr, attribute, value C.int) status {
	const maxDynamicShared = 8
	if attribute != maxDynamicShared {
		return refuse(invalidValue, "this driver does not know attribute %d of a function", attribute)
	}
	return with(handle, func(f *function) (err error) {
		f.kernel, err = f.module.Kernel(f.name, int(value))
		return err
	})
}

//export cuLaunchKernel
func cuLaunchKernel(handle uintptr, gridX, gridY, gridZ, blockX, blockY, blockZ, shared C.uint, stream uintptr, parameters *unsafe.Pointer,
	extra *unsafe.Pointer,
) status {
	return queue(stream, func(s driver.Stream) error {
		f, ok := get[*function](handle)
		if !ok || blockY != 1 || blockZ != 1 || extra != nil {
			return fmt.Errorf("a launch of function %d with blocks of %d x %d x %d threads: expected a function and 1 in y and z",
				handle, blockX, blockY, blockZ)
		}
		l := kernels.Launch{
			Kernel: f.name, Grid: [3]int{int(gridX), int(gridY), int(gridZ)}, Block: int(blockX), Shared: int(shared),
			Args: make([]any, len(f.parameters)),
		}
		for i, p := range unsafe.Slice(parameters, len(f.parameters)) {
			if f.parameters[i] == 4 {
				l.Args[i] = *(*int32)(p)
			} else {
				l.Args[i] = *(*int64)(p)
			}
		}
		return s.Launch(f.kernel, l)
	})
}
