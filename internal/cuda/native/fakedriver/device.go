//go:build gpu && cgo && linux && amd64

package main

/*
#include <string.h>
#include "thread.h"
*/
import "C"

import (
	"os"
	"strconv"
	"unsafe"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/emulated"
)

// emulator is the driver below. The driver library of a process has one state too.
var emulator = emulated.New(emulated.Options{Devices: []driver.Properties{described()}, Seed: 1, MatMul: true, IgnoreRaces: true})

// described is the device. Its capability is 99.0.
func described() driver.Properties {
	p := emulated.DefaultProperties()
	p.Name, p.Capability = "Fake GPU", 990
	return p
}

// context is the primary context of the device, which is retained some times.
type context struct {
	device   driver.Device
	handle   uintptr
	retained int
}

var primary context

// inContext calls f with the device of the thread's context.
func inContext(f func(driver.Device) error) status {
	c, ok := get[*context](uintptr(C.thread_current()))
	if !ok {
		return refuse(invalidContext, "the thread has no current context")
	}
	return result(f(c.device))
}

//export cuInit
func cuInit(flags C.uint) status {
	if s, err := strconv.Atoi(os.Getenv("FAKEDRIVER_STATUS")); err == nil {
		return refuse(status(s), "FAKEDRIVER_STATUS is set")
	}
	return success
}

//export cuDriverGetVersion
func cuDriverGetVersion(version *C.int) status {
	*version = C.int(emulator.Version())
	return success
}

//export cuDeviceGetCount
func cuDeviceGetCount(count *C.int) status {
	*count = 1
	return success
}

//export cuDeviceGet
func cuDeviceGet(device *C.int, index C.int) status {
	*device = index
	return success
}

//export cuDeviceGetName
func cuDeviceGetName(name *C.char, length, device C.int) status {
	text := append([]byte(described().Name), 0)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(name)), length), text)
	return success
}

//export cuDeviceTotalMem_v2
func cuDeviceTotalMem_v2(bytes *C.size_t, device C.int) status {
	*bytes = C.size_t(described().Memory)
	return success
}

//export cuDeviceGetAttribute
func cuDeviceGetAttribute(value *C.int, attribute, device C.int) status {
	p := described()
	known, ok := map[C.int]int{16: p.Multiprocessors, 75: p.Capability / 10, 76: p.Capability % 10, 97: p.SharedMemory}[attribute]
	if !ok {
		return refuse(invalidValue, "this driver does not know attribute %d of a device", attribute)
	}
	*value = C.int(known)
	return success
}

//export cuDevicePrimaryCtxRetain
func cuDevicePrimaryCtxRetain(handle *uintptr, device C.int) status {
	if primary.retained == 0 {
		opened, err := emulator.Open(int(device))
		if err != nil {
			return result(err)
		}
		primary.device, primary.handle = opened, add(&primary)
	}
	primary.retained++
	*handle = primary.handle
	return success
}

//export cuDevicePrimaryCtxRelease_v2
func cuDevicePrimaryCtxRelease_v2(device C.int) status {
	if primary.retained == 0 {
		return refuse(invalidContext, "the context is released and was not retained")
	}
	if primary.retained--; primary.retained > 0 {
		return success
	}
	objects.Clear() // they are of the context
	clear(hostMemory)
	return result(primary.device.Close())
}

//export cuCtxSetCurrent
func cuCtxSetCurrent(handle uintptr) status {
	if _, ok := get[*context](handle); !ok {
		return refuse(invalidContext, "%d is no handle of a context", handle)
	}
	C.thread_set_current(C.uintptr_t(handle))
	return success
}

//export cuGetErrorName
func cuGetErrorName(s status, name **C.char) status {
	known, ok := map[status]string{
		invalidValue: "INVALID_VALUE", outOfMemory: "OUT_OF_MEMORY", noDevice: "NO_DEVICE", invalidContext: "INVALID_CONTEXT",
		invalidPTX: "INVALID_PTX", invalidHandle: "INVALID_HANDLE", notFound: "NOT_FOUND", launchFailed: "LAUNCH_FAILED",
	}[s]
	if !ok {
		return invalidValue
	}
	*name = C.CString("CUDA_ERROR_" + known) // never freed: the driver's are static
	return success
}

//export cuGetErrorString
func cuGetErrorString(s status, text **C.char) status {
	*text = C.CString(reasons[s])
	return success
}
