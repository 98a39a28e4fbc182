//go:build mpi && linux

// Package openmpi finds Open MPI's library while the program runs, and calls it: one program starts on every machine, with the library or
// without. It declares what it calls by itself (openmpi.h), so that a build needs nothing of Open MPI.
//
// Start at Load. All calls behind it are for one thread: MPI is initialized for calls of a single one.
package openmpi

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "openmpi.h"
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

// FileVariable is the environment variable that names another file for the library.
const FileVariable = "TRAINER_LIBMPI"

// Load loads the library. It is to be called once.
func Load() error {
	file := os.Getenv(FileVariable)
	if file == "" {
		file = "libmpi.so.40"
	}
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	if why := C.mpi_load(name); why != nil {
		return fmt.Errorf("the library %s of Open MPI cannot be used (%s)", file, C.GoString(why))
	}
	return nil
}

// Start initializes MPI for the calling thread, and tells the rank of this process among how many.
func Start() (rank, size int, err error) {
	var r, n C.int
	code := C.mpi_start(&r, &n)
	if code == -1 {
		return 0, 0, fmt.Errorf("this Open MPI may not be called by one thread of several (MPI_THREAD_FUNNELED)")
	}
	return int(r), int(n), check("MPI_Init_thread", code)
}

// check turns a code of MPI into an error.
func check(call string, code C.int) error {
	if code == 0 {
		return nil
	}
	var text [8192]C.char
	C.mpi_message(code, &text[0])
	return fmt.Errorf("%s: error %d: %s", call, int(code), C.GoString(&text[0]))
}

// Request is an operation under way. The memory that it was given stays where it is until Test says that it has ended.
type Request struct {
	handle *C.mpi_handle // C's, since MPI keeps its place
	call   string
	pins   runtime.Pinner
}

func begin(call string, pointers ...unsafe.Pointer) *Request {
	r := &Request{handle: (*C.mpi_handle)(C.calloc(1, C.size_t(unsafe.Sizeof(C.mpi_handle(nil))))), call: call}
	for _, p := range pointers {
		if p != nil {
			r.pins.Pin(p)
		}
	}
	return r
}

// started is the request, or the error of its call.
func (r *Request) started(code C.int) (*Request, error) {
	if err := check(r.call, code); err != nil {
		r.free()
		return nil, err
	}
	return r, nil
}

func (r *Request) free() {
	C.free(unsafe.Pointer(r.handle))
	r.pins.Unpin()
}

// Test says whether the operation has ended. It is not to be asked again then.
func (r *Request) Test() (ended bool, err error) {
	var flag C.int
	if err := check(r.call, C.mpi_test(r.handle, &flag)); err != nil {
		return false, err
	}
	if flag != 0 {
		r.free()
	}
	return flag != 0, nil
}

// at is where a slice begins, for C.
func at[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// ints are numbers for C.
func ints(s []int32) *C.int { return (*C.int)(at(s)) }

// AllToAll sends counts[r] numbers, from offsets[r] on, to each rank r, and takes as many as the other lists say from each.
func AllToAll(send []float32, counts, offsets []int32, receive []float32, receiveCounts, receiveOffsets []int32) (*Request, error) {
	r := begin("MPI_Ialltoallv", at(send), at(counts), at(offsets), at(receive), at(receiveCounts), at(receiveOffsets))
	return r.started(C.mpi_alltoallv(at(send), ints(counts), ints(offsets), at(receive), ints(receiveCounts), ints(receiveOffsets), r.handle))
}

// AllGather fills data with the part of each rank r, counts[r] bytes from offsets[r] on.
func AllGather(data []byte, counts, offsets []int32) (*Request, error) {
	r := begin("MPI_Iallgatherv", at(data), at(counts), at(offsets))
	return r.started(C.mpi_allgatherv(at(data), ints(counts), ints(offsets), r.handle))
}

// Gather fills whole on rank 0 likewise.
func Gather(part, whole []byte, counts, offsets []int32) (*Request, error) {
	r := begin("MPI_Igatherv", at(part), at(whole), at(counts), at(offsets))
	return r.started(C.mpi_gatherv(at(part), C.int(len(part)), at(whole), ints(counts), ints(offsets), r.handle))
}

// Broadcast fills data with that of rank 0.
func Broadcast(data []byte) (*Request, error) {
	r := begin("MPI_Ibcast", at(data))
	return r.started(C.mpi_broadcast(at(data), C.int(len(data)), r.handle))
}

// Send sends a byte to a rank.
func Send(b *byte, rank int) (*Request, error) {
	r := begin("MPI_Isend", unsafe.Pointer(b))
	return r.started(C.mpi_send(unsafe.Pointer(b), C.int(rank), r.handle))
}

// Receive takes a byte from a rank.
func Receive(b *byte, rank int) (*Request, error) {
	r := begin("MPI_Irecv", unsafe.Pointer(b))
	return r.started(C.mpi_receive(unsafe.Pointer(b), C.int(rank), r.handle))
}

// Finish ends MPI, when all ranks have called it.
func Finish() error { return check("MPI_Finalize", C.mpi_finish()) }

// Abort ends all ranks with an exit code. It does not return.
func Abort(code int) { C.mpi_abort(C.int(code)) }
