//go:build gpu && cgo && linux && amd64

// Command fakedriver is a library that stands in for NVIDIA's libcuda.so.1, libcublasLt.so.12 and libnccl.so.2, on the emulator of package
// emulated. With it a program built for GPUs runs whole on a machine that has none, from its first call of the driver to the last:
//
//	go build -tags gpu -buildmode=c-shared -o fake.so ./internal/cuda/native/fakedriver
//	TRAINER_LIBCUDA=./fake.so TRAINER_LIBCUBLASLT=./fake.so TRAINER_LIBNCCL=./fake.so program
//
// It has the functions that package native calls, and no others. It is stricter than the driver: a call without a current context, a flag
// or an order of matrices that native should not use is an error, whose text the emulator's messages become. Its one device reports a
// compute capability for which there are no cubins, so that PTX is loaded. FAKEDRIVER_STATUS is what cuInit returns.
//
// Start reading at device.go; cublaslt.go and nccl.go are the other libraries.
package main

import "C"

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"trainer/internal/cuda/driver"
)

func main() {}

// status is a CUresult.
type status = C.int

// The statuses that this driver returns.
const (
	success        status = 0
	invalidValue   status = 1
	outOfMemory    status = 2
	noDevice       status = 100
	invalidContext status = 201
	invalidPTX     status = 218
	invalidHandle  status = 400
	notFound       status = 500
	launchFailed   status = 719
)

// reasons hold for every status what it was last returned for.
var reasons = map[status]string{}

// refuse returns a status and keeps what was wrong.
func refuse(s status, format string, args ...any) status {
	reasons[s] = fmt.Sprintf(format, args...)
	return s
}

// result is the status of an error of the emulator.
func result(err error) status {
	var fault *driver.Fault
	switch {
	case err == nil:
		return success
	case errors.Is(err, driver.ErrOutOfMemory):
		return refuse(outOfMemory, "%v", err)
	case errors.As(err, &fault):
		return refuse(launchFailed, "%v", err)
	}
	return refuse(invalidValue, "%v", err)
}

// objects are what handles stand for. The handle 0 is none, and none is used twice.
var (
	objects    sync.Map
	lastHandle atomic.Uintptr
)

// add returns a new handle of an object.
func add(object any) uintptr {
	handle := lastHandle.Add(1)
	objects.Store(handle, object)
	return handle
}

// get returns the object of a handle, where it has the type T.
func get[T any](handle uintptr) (object T, ok bool) {
	stored, _ := objects.Load(handle)
	object, ok = stored.(T)
	return object, ok
}

// remove ends a handle.
func remove(handle uintptr) { objects.Delete(handle) }

// with calls f with the object of a handle.
func with[T any](handle uintptr, f func(T) error) status {
	object, ok := get[T](handle)
	if !ok {
		return refuse(invalidHandle, "%d is no handle of a %T", handle, object)
	}
	return result(f(object))
}

// closer is an object that is given back.
type closer interface{ Close() error }

// destroy gives an object back and ends its handle.
func destroy[T closer](handle uintptr) status {
	s := with(handle, T.Close)
	remove(handle)
	return s
}
