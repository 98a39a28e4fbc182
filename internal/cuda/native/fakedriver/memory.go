//go:build gpu && cgo && linux && amd64

package main

// #include <stddef.h>
// #include <stdint.h>
import "C"

import (
	"unsafe"

	"trainer/internal/cuda/driver"
)

//export cuMemAlloc_v2
func cuMemAlloc_v2(p *C.uint64_t, size C.size_t) status {
	return inContext(func(d driver.Device) error {
		at, err := d.Allocate(int(size))
		*p = C.uint64_t(at)
		return err
	})
}

//export cuMemFree_v2
func cuMemFree_v2(p C.uint64_t) status {
	return inContext(func(d driver.Device) error { return d.Free(driver.Pointer(p)) })
}

//export cuMemGetInfo_v2
func cuMemGetInfo_v2(free, total *C.size_t) status {
	return inContext(func(d driver.Device) error {
		n, err := d.FreeMemory()
		*free, *total = C.size_t(n), C.size_t(d.Properties().Memory)
		return err
	})
}

// hostMemory is what cuMemHostAlloc gave out. The emulator keeps it alive; the process sees no more than an address.
var hostMemory = map[uintptr][]byte{}

//export cuMemHostAlloc
func cuMemHostAlloc(p *uintptr, size C.size_t, flags C.uint) status {
	return inContext(func(d driver.Device) error {
		memory, err := d.AllocateHost(int(size))
		if err != nil {
			return err
		}
		*p = uintptr(unsafe.Pointer(&memory[0]))
		hostMemory[*p] = memory
		return nil
	})
}

//export cuMemFreeHost
func cuMemFreeHost(p uintptr) status {
	memory, ok := hostMemory[p]
	if !ok {
		return refuse(invalidValue, "cuMemFreeHost(%#x): cuMemHostAlloc did not return it", p)
	}
	delete(hostMemory, p)
	return inContext(func(d driver.Device) error { return d.FreeHost(memory) })
}

//export cuMemcpyHtoDAsync_v2
func cuMemcpyHtoDAsync_v2(to C.uint64_t, from unsafe.Pointer, size C.size_t, stream uintptr) status {
	return queue(stream, func(s driver.Stream) error {
		return s.Upload(driver.Pointer(to), unsafe.Slice((*byte)(from), size))
	})
}

//export cuMemcpyDtoHAsync_v2
func cuMemcpyDtoHAsync_v2(to unsafe.Pointer, from C.uint64_t, size C.size_t, stream uintptr) status {
	return queue(stream, func(s driver.Stream) error {
		return s.Download(unsafe.Slice((*byte)(to), size), driver.Pointer(from))
	})
}

//export cuMemcpyDtoDAsync_v2
func cuMemcpyDtoDAsync_v2(to, from C.uint64_t, size C.size_t, stream uintptr) status {
	return queue(stream, func(s driver.Stream) error { return s.Copy(driver.Pointer(to), driver.Pointer(from), int(size)) })
}

//export cuMemsetD32Async
func cuMemsetD32Async(to C.uint64_t, word C.uint, n C.size_t, stream uintptr) status {
	return queue(stream, func(s driver.Stream) error { return s.Fill(driver.Pointer(to), uint32(word), int(n)) })
}
