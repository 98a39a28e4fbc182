//go:build gpu && linux && amd64

// Package nccl sums and gathers memory of several GPUs with NVIDIA's NCCL, which it finds while the program runs.
//
// One rank asks for an ID and gives it to the others, by whatever connects their processes; all of them call Join with it. Then all queue the
// same operations on their streams, in the same order. The device's context must be current on the calling thread in every call.
//
// Start at Load, then Join; calls.c has the operations.
package nccl

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "calls.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"trainer/internal/cuda/native/library"
)

// FileVariable is the environment variable that names another file for the library.
const FileVariable = "TRAINER_LIBNCCL"

// Load loads the library, once: the file that FileVariable names, else libnccl.so.2 beside the program, else where the dynamic linker looks.
var Load = sync.OnceValue(func() error {
	return library.Load("NCCL", "install it, on Debian NVIDIA's package libnccl2", FileVariable, "libnccl.so.2", func(file string) error {
		name := C.CString(file)
		defer C.free(unsafe.Pointer(name))
		if why := C.calls_load(name); why != nil {
			return errors.New(C.GoString(why))
		}
		return nil
	})
})

// Version is that of the loaded library: "2.27.5".
func Version() string {
	v := int(C.calls_version())
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100)
}

// Status is an error of the library: a ncclResult_t other than ncclSuccess, with what the library said about it.
type Status struct {
	Code   int
	Detail string
}

func (s *Status) Error() string {
	text := fmt.Sprintf("NCCL status %d: %s", s.Code, C.GoString(C.calls_status(C.ncclResult_t(s.Code))))
	if s.Detail != "" {
		text += " (" + s.Detail + ")"
	}
	return text
}

func check(result C.ncclResult_t) error {
	if result == C.ncclSuccess {
		return nil
	}
	return &Status{int(result), C.GoString(C.calls_last_error())}
}

// NewID returns the name of a new group of ranks.
func NewID() ([]byte, error) {
	var id C.ncclUniqueId
	err := check(C.calls_unique_id(&id))
	return C.GoBytes(unsafe.Pointer(&id), C.NCCL_UNIQUE_ID_BYTES), err
}

// Comm is a rank's part of a group.
type Comm struct {
	comm       C.ncclComm_t
	rank, size int
}

// Join makes the device of the current context a rank of a group. It waits for the other ranks.
func Join(id []byte, rank, size int) (*Comm, error) {
	if len(id) != C.NCCL_UNIQUE_ID_BYTES {
		return nil, fmt.Errorf("an ID of %d bytes, expected %d", len(id), C.NCCL_UNIQUE_ID_BYTES)
	}
	c := &Comm{rank: rank, size: size}
	return c, check(C.calls_init(&c.comm, C.int(size), (*C.ncclUniqueId)(unsafe.Pointer(&id[0])), C.int(rank)))
}

// Close frees the communicator without waiting for other ranks.
func (c *Comm) Close() error { return check(C.calls_abort(c.comm)) }

// for64 are bounds as C takes them.
func for64(bounds []int) *C.int64_t {
	list := make([]C.int64_t, len(bounds))
	for i, at := range bounds {
		list[i] = C.int64_t(at)
	}
	return &list[0]
}

// ReduceScatter, AllReduce and AllGather queue an operation on a CUstream, on float32 from an address in device memory on: see
// driver.Communicator.
func (c *Comm) ReduceScatter(stream unsafe.Pointer, values uint64, bounds []int) error {
	return check(C.calls_reduce_scatter(C.uint64_t(values), for64(bounds), C.int(c.size), C.int(c.rank), c.comm, stream))
}

func (c *Comm) AllReduce(stream unsafe.Pointer, values uint64, n int) error {
	return check(C.calls_all_reduce(C.uint64_t(values), C.int64_t(n), c.comm, stream))
}

func (c *Comm) AllGather(stream unsafe.Pointer, values uint64, bounds []int) error {
	return check(C.calls_all_gather(C.uint64_t(values), for64(bounds), C.int(c.size), C.int(c.rank), c.comm, stream))
}
