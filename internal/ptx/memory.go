package ptx

import (
	"encoding/binary"
	"sync"
)

// memory is what an instruction touches: size bytes, aligned to their number, at an address in a space.
type memory struct {
	space space
	size  int
	how   access
}

// span finds the memory of a lane's access, checks its bounds and alignment and returns its region and offset; nil after a fault.
func (w *warp) span(m memory, lane int, address uint64) (*region, int) {
	if address&uint64(m.size-1) != 0 {
		w.fail(lane, "%v of %d bytes at %v address %#x: the address must be a multiple of %d", m.how, m.size, m.space, address, m.size)
		return nil, 0
	}
	s, inner := m.space, address
	if s == generic {
		s, inner = resolve(address)
	}
	b := w.block
	var r *region
	offset := int(inner)
	limit := 0
	switch s {
	case shared:
		r, limit = &b.shared, len(b.shared.data)
	case local:
		r, limit = &w.local, b.kernel.local
		r.lane = limit
	case param:
		r, limit = &b.launch.params, len(b.launch.params.data)
	case constant:
		r, limit = &b.launch.consts, len(b.launch.consts.data)
	default:
		return w.globalSpan(m, lane, inner)
	}
	if inner > uint64(limit) || offset+m.size > limit {
		w.fail(lane, "%v of %d bytes at %v address %#x: out of bounds, there are %d bytes", m.how, m.size, s, inner, limit)
		return nil, 0
	}
	if s == local {
		offset += lane * limit
	}
	return r, offset
}

func (w *warp) globalSpan(m memory, lane int, address uint64) (*region, int) {
	d := w.block.launch.device
	r, offset := w.recent, int(address-w.recentBase)
	if r == nil || address-w.recentBase >= uint64(len(r.data)) {
		r, offset = d.find(address)
		if r == nil {
			w.fail(lane, "%v of %d bytes at global address %#x: %s", m.how, m.size, address, d.whatIs(address))
			return nil, 0
		}
		w.recent, w.recentBase = r, r.base
	}
	if offset+m.size > len(r.data) {
		w.fail(lane, "%v of %d bytes at %s: out of bounds", m.how, m.size, r.describe(offset))
		return nil, 0
	}
	return r, offset
}

// resolve turns a generic address into one of a space.
func resolve(address uint64) (space, uint64) {
	switch address &^ (windowBytes - 1) {
	case sharedWindow:
		return shared, address - sharedWindow
	case localWindow:
		return local, address - localWindow
	}
	return global, address
}

// lock takes the lock of the page of a region, which other blocks may touch, giving back the one held; and returns it.
func (w *warp) lock(r *region, offset int, held *sync.Mutex) *sync.Mutex {
	if !w.block.launch.locking || r.space != global {
		return held
	}
	mutex := &r.pages[offset>>pageShift].Mutex
	if mutex == held {
		return held
	}
	unlock(held)
	mutex.Lock()
	return mutex
}

func unlock(held *sync.Mutex) {
	if held != nil {
		held.Unlock()
	}
}

// admit checks a lane's access to memory that span found: bytes read must hold values, no cp.async may be writing them, and there
// may be no race. value holds the bytes that a write is about to write.
func (w *warp) admit(m memory, r *region, offset, lane int, value []byte) bool {
	if r.space == shared && w.block.flights > 0 && w.block.isFlying(offset, m.size) {
		w.fail(lane, "%v of %d bytes at %s: a cp.async that was not waited for writes there", m.how, m.size, r.describe(offset))
		return false
	}
	if m.how != writing {
		if bad := r.unwritten(offset, m.size); bad >= 0 {
			w.fail(lane, "%v of %d bytes at %s: byte %d was never written", m.how, m.size, r.describe(offset), bad-offset)
			return false
		}
	}
	if r.pages == nil { // no other thread comes here
		return true
	}
	return w.touch(r, offset, m.size, lane, m.how, value)
}

// get reads a value of 1, 2, 4 or 8 bytes.
func get(data []byte, bytes int) uint64 {
	switch bytes {
	case 1:
		return uint64(data[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(data))
	case 4:
		return uint64(binary.LittleEndian.Uint32(data))
	}
	return binary.LittleEndian.Uint64(data)
}

// put writes a value of 1, 2, 4 or 8 bytes.
func put(data []byte, value uint64, bytes int) {
	switch bytes {
	case 1:
		data[0] = byte(value)
	case 2:
		binary.LittleEndian.PutUint16(data, uint16(value))
	case 4:
		binary.LittleEndian.PutUint32(data, uint32(value))
	default:
		binary.LittleEndian.PutUint64(data, value)
	}
}
