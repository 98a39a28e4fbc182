package ptx

import "encoding/binary"

// memory is what an instruction touches: size bytes, aligned to their number, at an address in a space.
type memory struct {
	space space
	size  int
	how   access
	agree bool // lanes that write the same value to the same place at once do not race
}

// span finds the memory of a lane's access, checks its bounds and alignment and returns its region and offset; nil after a fault.
func (w *warp) span(m memory, lane int, address uint64) (*region, int) {
	if address&uint64(m.size-1) != 0 {
		w.fail(lane, "%v of %d bytes at %v address %#x: the address must be a multiple of %d", m.how, m.size, m.space, address, m.size)
		return nil, 0
	}
	r, inner := w.regionOf(m.space, address)
	if r == nil {
		w.fail(lane, "%v of %d bytes at global address %#x: %s", m.how, m.size, inner, w.block.launch.device.whatIs(inner))
		return nil, 0
	}
	offset := int(inner - r.base)
	limit := len(r.data)
	if r.space == local {
		limit = r.lane
	}
	switch {
	case r.space == global && offset+m.size > limit:
		w.fail(lane, "%v of %d bytes at %s: out of bounds", m.how, m.size, r.describe(offset))
		return nil, 0
	case inner-r.base > uint64(limit) || offset+m.size > limit:
		w.fail(lane, "%v of %d bytes at %v address %#x: out of bounds, there are %d bytes", m.how, m.size, r.space, inner, limit)
		return nil, 0
	}
	if r.space == local {
		offset += lane * limit
	}
	return r, offset
}

// regionOf returns the region that an address speaks of, nil where no allocation is, and the address in its space.
func (w *warp) regionOf(s space, address uint64) (*region, uint64) {
	if s == generic {
		s, address = resolve(address)
	}
	switch s {
	case shared:
		return &w.block.shared, address
	case local:
		return &w.local, address
	case param:
		return &w.block.launch.params, address
	case constant:
		return &w.block.launch.consts, address
	}
	if r := w.recent; r != nil && address-w.recentBase < uint64(len(r.data)) {
		return r, address
	}
	r, _ := w.block.launch.device.find(address)
	if r != nil {
		w.recent, w.recentBase = r, r.base
	}
	return r, address
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
	return !w.races(r) || w.touch(r, offset, m.size, lane, m.how, value)
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
