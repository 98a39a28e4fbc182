package emulated

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"unsafe"

	"trainer/internal/ptx"
)

// hostMemory is page-locked memory of the host.
type hostMemory struct {
	bytes []byte
	resource
}

// poison is what host memory holds that has no value yet: NaN as float32 and as bfloat16, and no likely number or id.
const poison = 0xffa5ffa5

func fillWithPoison(b []byte) {
	var word [4]byte
	binary.LittleEndian.PutUint32(word[:], poison)
	for i := range b {
		b[i] = word[i%len(word)]
	}
}

// hostUse is host memory that a copy goes from or to, and what it held when the copy was queued.
type hostUse struct {
	memory   []byte
	download bool
	watched  bool
	sum      uint64
}

func (d *Device) AllocateHost(size int) (b []byte, err error) {
	err = d.callOutside("AllocateHost", func() error {
		if size < 1 {
			return fmt.Errorf("cannot allocate %d bytes of host memory: at least 1 expected", size)
		}
		b = make([]byte, size)
		fillWithPoison(b)
		d.host = append(d.host, &hostMemory{b, resource{name: fmt.Sprintf("host memory of %d bytes", size)}})
		return nil
	})
	return b, err
}

func (d *Device) FreeHost(b []byte) error {
	return d.callOutside("FreeHost", func() error {
		i := slices.IndexFunc(d.host, func(h *hostMemory) bool {
			return len(b) > 0 && unsafe.SliceData(h.bytes) == unsafe.SliceData(b)
		})
		if i < 0 {
			return fmt.Errorf("cannot free %d bytes of host memory: AllocateHost did not return them, or they were freed", len(b))
		}
		h := d.host[i]
		if err := d.release(&h.resource); err != nil {
			return err
		}
		d.host = slices.Delete(d.host, i, i+1)
		fillWithPoison(h.bytes)
		return nil
	})
}

// pageLocked returns the host memory that b is a part of.
func (d *Device) pageLocked(b []byte) (*resource, error) {
	if len(b) == 0 {
		return nil, errors.New("no bytes: at least 1 expected")
	}
	for _, h := range d.host {
		if overlap(h.bytes, b) {
			return &h.resource, nil
		}
	}
	return nil, fmt.Errorf("the %d bytes of the host are not page-locked: AllocateHost did not return them, or they were freed", len(b))
}

// hostAddress is where memory of the host begins. The addresses of a Go program's memory, which is never moved, are none of the device's.
func hostAddress(b []byte) ptx.Address {
	return ptx.Address(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

// overlap reports whether two slices share a byte; none is empty.
func overlap(a, b []byte) bool {
	a0, b0 := hostAddress(a), hostAddress(b)
	return a0 < b0+ptx.Address(len(b)) && b0 < a0+ptx.Address(len(a))
}

// watch notes what host memory holds when a copy is queued, after poisoning it for a download. Memory that queued copies use already is
// left alone: what they leave there is legal.
func (d *Device) watch(memory []byte, download bool) *hostUse {
	use := &hostUse{memory: memory, download: download, watched: true}
	for _, t := range d.schedule.pending {
		if !t.done && t.host != nil && overlap(t.host.memory, memory) && (download || t.host.download) {
			use.watched = false
			return use
		}
	}
	if download {
		fillWithPoison(memory)
	}
	use.sum = maphash.Bytes(d.seed, memory)
	return use
}

// unchanged returns an error if host memory is not what it was when the copy was queued.
func (d *Device) unchanged(use *hostUse) error {
	if use == nil || !use.watched || maphash.Bytes(d.seed, use.memory) == use.sum {
		return nil
	}
	return errors.New("host memory was changed while the copy was queued: wait for the copy before")
}
