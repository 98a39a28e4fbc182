//go:build gpu && linux && amd64

// Package libcuda finds NVIDIA's driver library while the program runs, so that one program starts on every machine.
//
// Package cu expects the linker to bind some 160 functions of libcuda.so.1, and ends the program where cuInit fails. Here are functions of
// all those names, each a jump to the function of the library once Load has found it; until then they return CUDA_ERROR_NOT_FOUND, and so
// do for good those that the installed library lacks. Beside them are the few functions that cu has no call for.
//
// Start at Load; loader.c is the mechanism. symbols.h lists the functions.
package libcuda

/*
#cgo CFLAGS: -Wno-deprecated-declarations
#cgo LDFLAGS: -L${SRCDIR}/stub -ldl
#include <stdlib.h>
#include "loader.h"
*/
import "C"

import (
	"fmt"
	"os"
	"sync"
	"unsafe"
)

// FileVariable is the environment variable that names another file for the driver's library.
const FileVariable = "TRAINER_LIBCUDA"

// Load loads the driver's library and initializes it, once. Its error is a Status where the library was found.
var Load = sync.OnceValue(func() error {
	file := os.Getenv(FileVariable)
	if file == "" {
		file = "libcuda.so.1"
	}
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	var status C.CUresult
	if why := C.driver_load(name, &status); why != nil {
		return &NotFound{File: file, Reason: C.GoString(why)}
	}
	return check(status)
})

// NotFound says that there is no library of the driver.
type NotFound struct {
	File   string
	Reason string // of the dynamic linker
}

func (e *NotFound) Error() string { return fmt.Sprintf("%s was not found (%s)", e.File, e.Reason) }

// Status is an error of the driver: a CUresult other than CUDA_SUCCESS.
type Status int

// Error is such as "CUDA error 100: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE)".
func (s Status) Error() string {
	var name, text *C.char
	if C.cuGetErrorName(C.CUresult(s), &name) != C.CUDA_SUCCESS || C.cuGetErrorString(C.CUresult(s), &text) != C.CUDA_SUCCESS {
		return fmt.Sprintf("CUDA error %d", int(s))
	}
	return fmt.Sprintf("CUDA error %d: %s (%s)", int(s), C.GoString(text), C.GoString(name))
}

func check(status C.CUresult) error {
	if status == C.CUDA_SUCCESS {
		return nil
	}
	return Status(status)
}

// A Handle is what the driver's opaque types are in C: a pointer that means nothing here.
type Handle = unsafe.Pointer

// AllowShared lets a CUfunction ask for so many bytes of dynamic shared memory; without it the limit is 48 KiB.
func AllowShared(function Handle, bytes int) error {
	return check(C.cuFuncSetAttribute(C.CUfunction(function), C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, C.int(bytes)))
}

// AllocateHost returns page-locked memory of the host.
func AllocateHost(bytes int) (unsafe.Pointer, error) {
	var at unsafe.Pointer
	err := check(C.cuMemHostAlloc(&at, C.size_t(bytes), 0))
	return at, err
}

// BeginCapture records what is queued on a CUstream from here on. The mode is relaxed: with the others capture would be tied to one thread,
// and goroutines move between threads.
func BeginCapture(stream Handle) error {
	return check(C.cuStreamBeginCapture(C.CUstream(stream), C.CU_STREAM_CAPTURE_MODE_RELAXED))
}

// EndCapture returns what was recorded, as a CUgraphExec.
func EndCapture(stream Handle) (graph Handle, err error) {
	var ready C.CUgraphExec
	err = check(C.capture_end(C.CUstream(stream), &ready))
	return Handle(ready), err
}

// Replay queues the work of a CUgraphExec.
func Replay(graph, stream Handle) error {
	return check(C.cuGraphLaunch(C.CUgraphExec(graph), C.CUstream(stream)))
}

// DestroyGraph frees a CUgraphExec.
func DestroyGraph(graph Handle) error { return check(C.cuGraphExecDestroy(C.CUgraphExec(graph))) }
