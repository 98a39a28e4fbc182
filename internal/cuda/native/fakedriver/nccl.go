//go:build gpu && cgo && linux && amd64

package main

// #cgo CFLAGS: -I${SRCDIR}/../nccl
// #include <stdint.h>
// #include "nccl.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"trainer/internal/cuda/driver"
)

// The results of NCCL that this library returns.
const (
	ncclFailed  status = C.ncclUnhandledCudaError
	ncclInvalid status = C.ncclInvalidArgument
)

// member is an ncclComm_t.
type member struct {
	communicator driver.Communicator
	rank, size   int
}

// group are calls for parts of different lengths, of which the emulator makes one operation.
type group struct {
	member *member
	stream uintptr
	reduce bool
	first  uint64
	bounds []int
}

// open is the group that was begun last; NCCL has one a thread.
var open *group

// ncclResult is the result of an error.
func ncclResult(s status) status {
	switch s {
	case success:
		return success
	case invalidValue:
		reasons[ncclInvalid] = reasons[s]
		return ncclInvalid
	}
	reasons[ncclFailed] = reasons[s]
	return ncclFailed
}

//export ncclGetVersion
func ncclGetVersion(version *C.int) status {
	*version = 22705
	return success
}

//export ncclGetErrorString
func ncclGetErrorString(s status) *C.char {
	return C.CString(map[status]string{ncclFailed: "unhandled cuda error", ncclInvalid: "invalid argument"}[s])
}

//export ncclGetLastError
func ncclGetLastError(uintptr) *C.char {
	if text, ok := reasons[ncclInvalid]; ok {
		return C.CString(text)
	}
	return C.CString(reasons[ncclFailed])
}

//export ncclGetUniqueId
func ncclGetUniqueId(id *C.ncclUniqueId) status {
	return ncclResult(inContext(func(d driver.Device) error {
		name, err := d.NewGroup()
		room := unsafe.Slice((*byte)(unsafe.Pointer(id)), C.NCCL_UNIQUE_ID_BYTES)
		clear(room)
		copy(room, name)
		return err
	}))
}

//export ncclCommInitRank
func ncclCommInitRank(handle *uintptr, ranks C.int, id C.ncclUniqueId, rank C.int) status {
	return ncclResult(inContext(func(d driver.Device) error {
		name, _, _ := bytes.Cut(unsafe.Slice((*byte)(unsafe.Pointer(&id)), C.NCCL_UNIQUE_ID_BYTES), []byte{0})
		c, err := d.Join(name, int(rank), int(ranks))
		if err != nil {
			return err
		}
		*handle = add(&member{communicator: c, rank: int(rank), size: int(ranks)})
		return nil
	}))
}

//export ncclCommAbort
func ncclCommAbort(handle uintptr) status {
	s := ncclResult(with(handle, func(m *member) error { return m.communicator.Close() }))
	remove(handle)
	return s
}

// operate calls f with a communicator and a stream, where the call's type and operation are those of sums of float32.
func operate(handle, stream uintptr, dataType, op C.int, f func(m *member, s driver.Stream) error) status {
	m, ok := get[*member](handle)
	if !ok || dataType != C.ncclFloat32 || op != C.ncclSum {
		return refuse(ncclInvalid, "communicator %d, type %d, operation %d: expected a communicator, ncclFloat32 and ncclSum", handle, dataType, op)
	}
	return ncclResult(queue(stream, func(s driver.Stream) error { return f(m, s) }))
}

// parts are bounds of parts of one length.
func (m *member) parts(length C.size_t) []int {
	bounds := make([]int, m.size+1)
	for r := range bounds {
		bounds[r] = r * int(length)
	}
	return bounds
}

//export ncclReduceScatter
func ncclReduceScatter(send, receive C.uint64_t, received C.size_t, dataType, op C.int, handle, stream uintptr) status {
	return operate(handle, stream, dataType, op, func(m *member, s driver.Stream) error {
		if receive != send+C.uint64_t(4*m.rank)*C.uint64_t(received) {
			return fmt.Errorf("ncclReduceScatter from %#x to %#x is not in place", send, receive)
		}
		return m.communicator.ReduceScatter(s, driver.Pointer(send), m.parts(received))
	})
}

//export ncclAllGather
func ncclAllGather(send, receive C.uint64_t, sent C.size_t, dataType C.int, handle, stream uintptr) status {
	return operate(handle, stream, dataType, C.ncclSum, func(m *member, s driver.Stream) error {
		if send != receive+C.uint64_t(4*m.rank)*C.uint64_t(sent) {
			return fmt.Errorf("ncclAllGather from %#x to %#x is not in place", send, receive)
		}
		return m.communicator.AllGather(s, driver.Pointer(receive), m.parts(sent))
	})
}

//export ncclAllReduce
func ncclAllReduce(send, receive C.uint64_t, count C.size_t, dataType, op C.int, handle, stream uintptr) status {
	return operate(handle, stream, dataType, op, func(m *member, s driver.Stream) error {
		if send != receive {
			return fmt.Errorf("ncclAllReduce from %#x to %#x is not in place", send, receive)
		}
		return m.communicator.AllReduce(s, driver.Pointer(send), int(count))
	})
}

//export ncclGroupStart
func ncclGroupStart() status {
	open = &group{}
	return success
}

// grouped is a call for the part of one rank, which is the next one of a vector.
func grouped(send, receive C.uint64_t, count C.size_t, root C.int, reduce bool, handle, stream uintptr) error {
	g := open
	m, _ := get[*member](handle)
	switch {
	case g == nil:
		return errors.New("ncclReduce or ncclBroadcast outside of a group")
	case send != receive:
		return fmt.Errorf("from %#x to %#x is not in place", send, receive)
	case g.member == nil:
		*g = group{m, stream, reduce, uint64(send), []int{0}}
	}
	last := g.bounds[len(g.bounds)-1]
	for len(g.bounds) <= int(root) { // ranks without a part
		g.bounds = append(g.bounds, last)
	}
	if g.member != m || g.stream != stream || g.reduce != reduce || len(g.bounds) != int(root)+1 || uint64(send) != g.first+uint64(4*last) {
		return fmt.Errorf("a group whose part of rank %d at %#x does not follow on those before it, or is of another kind", root, send)
	}
	g.bounds = append(g.bounds, last+int(count))
	return nil
}

//export ncclReduce
func ncclReduce(send, receive C.uint64_t, count C.size_t, dataType, op, root C.int, handle, stream uintptr) status {
	return operate(handle, stream, dataType, op, func(*member, driver.Stream) error {
		return grouped(send, receive, count, root, true, handle, stream)
	})
}

//export ncclBroadcast
func ncclBroadcast(send, receive C.uint64_t, count C.size_t, dataType, root C.int, handle, stream uintptr) status {
	return operate(handle, stream, dataType, C.ncclSum, func(*member, driver.Stream) error {
		return grouped(send, receive, count, root, false, handle, stream)
	})
}

//export ncclGroupEnd
func ncclGroupEnd() status {
	g := open
	open = nil
	if g == nil || g.member == nil {
		return success
	}
	last := g.bounds[len(g.bounds)-1]
	for len(g.bounds) <= g.member.size {
		g.bounds = append(g.bounds, last)
	}
	return ncclResult(queue(g.stream, func(s driver.Stream) error {
		if g.reduce {
			return g.member.communicator.ReduceScatter(s, driver.Pointer(g.first), g.bounds)
		}
		return g.member.communicator.AllGather(s, driver.Pointer(g.first), g.bounds)
	}))
}
