//go:build gpu && cgo && linux && amd64

package main

import "C"

import (
	"errors"

	"trainer/internal/cuda/driver"
)

// queue calls f with a stream, in its context.
func queue(stream uintptr, f func(driver.Stream) error) status {
	return inContext(func(driver.Device) error {
		s, ok := get[driver.Stream](stream)
		if !ok {
			return errors.New("the handle is none of a stream")
		}
		return f(s)
	})
}

//export cuStreamCreate
func cuStreamCreate(handle *uintptr, flags C.uint) status {
	const nonBlocking = 1
	if flags != nonBlocking {
		return refuse(invalidValue, "cuStreamCreate with flags %d: expected CU_STREAM_NON_BLOCKING", flags)
	}
	return inContext(func(d driver.Device) error {
		s, err := d.NewStream()
		*handle = add(s)
		return err
	})
}

//export cuStreamSynchronize
func cuStreamSynchronize(stream uintptr) status { return queue(stream, driver.Stream.Synchronize) }

//export cuStreamDestroy_v2
func cuStreamDestroy_v2(stream uintptr) status { return destroy[driver.Stream](stream) }

//export cuStreamWaitEvent
func cuStreamWaitEvent(stream, event uintptr, flags C.uint) status {
	return queue(stream, func(s driver.Stream) error {
		e, _ := get[driver.Event](event)
		return s.Wait(e)
	})
}

//export cuEventCreate
func cuEventCreate(handle *uintptr, flags C.uint) status {
	const disableTiming = 2
	if flags != disableTiming {
		return refuse(invalidValue, "cuEventCreate with flags %d: expected CU_EVENT_DISABLE_TIMING", flags)
	}
	return inContext(func(d driver.Device) error {
		e, err := d.NewEvent()
		*handle = add(e)
		return err
	})
}

//export cuEventRecord
func cuEventRecord(event, stream uintptr) status {
	return queue(stream, func(s driver.Stream) error {
		e, _ := get[driver.Event](event)
		return s.Record(e)
	})
}

//export cuEventSynchronize
func cuEventSynchronize(event uintptr) status { return with(event, driver.Event.Synchronize) }

//export cuEventDestroy_v2
func cuEventDestroy_v2(event uintptr) status { return destroy[driver.Event](event) }

//export cuStreamBeginCapture_v2
func cuStreamBeginCapture_v2(stream uintptr, mode C.int) status {
	const relaxed = 2
	if mode != relaxed {
		return refuse(invalidValue, "cuStreamBeginCapture in mode %d: expected CU_STREAM_CAPTURE_MODE_RELAXED", mode)
	}
	return queue(stream, driver.Stream.BeginCapture)
}

// captured is a CUgraph: what was recorded, before it is made ready.
type captured struct{ graph driver.Graph }

//export cuStreamEndCapture
func cuStreamEndCapture(stream uintptr, handle *uintptr) status {
	return queue(stream, func(s driver.Stream) error {
		g, err := s.EndCapture()
		if err == nil {
			*handle = add(captured{g})
		}
		return err
	})
}

//export cuGraphInstantiateWithFlags
func cuGraphInstantiateWithFlags(ready *uintptr, graph uintptr, flags C.ulonglong) status {
	return with(graph, func(c captured) error {
		*ready = add(c.graph)
		return nil
	})
}

//export cuGraphDestroy
func cuGraphDestroy(graph uintptr) status {
	remove(graph)
	return success
}

//export cuGraphExecDestroy
func cuGraphExecDestroy(ready uintptr) status { return destroy[driver.Graph](ready) }

//export cuGraphLaunch
func cuGraphLaunch(ready, stream uintptr) status {
	return queue(stream, func(s driver.Stream) error {
		g, _ := get[driver.Graph](ready)
		return s.Replay(g)
	})
}
