package ptx

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// request is a warp's access of memory: where each lane's lies. There are two ways to make it. whole checks all lanes at once, in a few
// loops without branches; walk goes from lane to lane, and is for what whole leaves to it: several regions in one request, local memory,
// atomic operations, and every access that is wrong, so that the first lane to blame is named.
type request struct {
	region *region
	at     [lanes]uint64 // the offset in the region, or for walk the address in its space, of each lane that takes part
}

// whole looks the accesses of the lanes of mask up and checks them, at the addresses of a row plus an offset. It reports false where it
// cannot vouch for all; nothing has been noted then but in the shadow, where noting it again does no harm.
func (w *warp) whole(m memory, base *row, offset int64, mask uint32) bool {
	first := base[bits.TrailingZeros32(mask)] + uint64(offset)
	r, inner := w.regionOf(m.space, first)
	if r == nil || r.space == local || len(r.data) < m.size || m.agree && w.races(r) {
		return false
	}
	q := &w.request
	q.region = r
	shift, highest, lowBits := inner-r.base-first+uint64(offset), uint64(0), uint64(0)
	if mask == allLanes {
		for i := range q.at {
			at := base[i] + shift
			q.at[i] = at
			highest = max(highest, at)
			lowBits |= at
		}
	} else {
		for rest := mask; rest != 0; rest &= rest - 1 {
			i := bits.TrailingZeros32(rest) % lanes
			at := base[i] + shift
			q.at[i] = at
			highest = max(highest, at)
			lowBits |= at
		}
	}
	if lowBits&uint64(m.size-1) != 0 || highest > uint64(len(r.data)-m.size) {
		return false
	}
	if r.space == shared && w.block.flights > 0 {
		if flying, _ := q.bitsOf(w.block.flying, m.size, mask); flying != 0 {
			return false
		}
	}
	if m.how == reading && !r.whole() {
		if _, written := q.bitsOf(r.written, m.size, mask); written != ones(m.size) {
			return false
		}
	}
	return !w.races(r) || w.touchWhole(m, mask)
}

// bitsOf returns which bits of a set of bytes are set for the bytes of some lane's access, and which for those of every one. Being aligned,
// the bytes of an access lie in one word.
func (q *request) bitsOf(set []uint64, size int, mask uint32) (some, every uint64) {
	every = ones(size)
	if mask == allLanes {
		for _, at := range q.at {
			word := atomic.LoadUint64(&set[at/64]) >> (at % 64)
			some |= word
			every &= word
		}
		return some & ones(size), every
	}
	for ; mask != 0; mask &= mask - 1 {
		at := q.at[bits.TrailingZeros32(mask)%lanes]
		word := atomic.LoadUint64(&set[at/64]) >> (at % 64)
		some |= word
		every &= word
	}
	return some & ones(size), every
}

// mark notes that what lanes wrote holds values.
func (q *request) mark(size int, mask uint32) {
	r := q.region
	switch {
	case r.whole():
	case mask == allLanes && q.contiguous(size):
		r.mark(int(q.at[0]), lanes*size)
	default:
		for ; mask != 0; mask &= mask - 1 {
			r.mark(int(q.at[bits.TrailingZeros32(mask)%lanes]), size)
		}
	}
}

// contiguous reports whether all lanes' accesses lie one behind the other.
func (q *request) contiguous(size int) bool {
	expected := q.at[0]
	for _, at := range q.at {
		if at != expected {
			return false
		}
		expected += uint64(size)
	}
	return true
}

// touchWhole notes the accesses of whole in the shadow, and fails at a race. Neighbours that read the same bytes are noted together.
func (w *warp) touchWhole(m memory, mask uint32) bool {
	var held *sync.Mutex
	q, ok := &w.request, true
	for mask != 0 && ok {
		lane := bits.TrailingZeros32(mask) % lanes
		at := q.at[lane]
		held = w.lock(m, q.region, int(at), held)
		together := uint32(1) << lane
		mask &= mask - 1
		if m.how != reading {
			ok = w.touch(q.region, int(at), m.size, lane, m.how, nil)
			continue
		}
		for mask != 0 && q.at[bits.TrailingZeros32(mask)%lanes] == at {
			together |= mask & -mask
			mask &= mask - 1
		}
		ok = w.touchRead(q.region, int(at), m.size, together)
	}
	unlock(held)
	return ok
}

// races reports whether races on a region are looked for.
func (w *warp) races(r *region) bool { return r.pages != nil && w.block.launch.races }

// walk makes the accesses of the lanes of mask one after the other and counts them. do is called with the bytes that a lane reads or
// updates, or with room for those that it will write; it ends at the first lane that does something wrong.
func (w *warp) walk(m memory, base *row, offset int64, mask uint32, do func(lane int, bytes []byte)) {
	var held *sync.Mutex
	var onShared, onGlobal uint32
	var value []byte
	for ; mask != 0; mask &= mask - 1 {
		lane := bits.TrailingZeros32(mask)
		r, offset := w.span(m, lane, base[lane]+uint64(offset))
		if r == nil {
			break
		}
		if m.how == writing {
			value = w.value[:m.size]
			do(lane, value)
		}
		held = w.lock(m, r, offset, held)
		if !w.admit(m, r, offset, lane, value) {
			break
		}
		if m.how == writing {
			copy(r.data[offset:], value)
			r.mark(offset, m.size)
		} else {
			do(lane, r.data[offset:offset+m.size])
		}
		w.request.at[lane] = r.base + uint64(offset)
		switch r.space {
		case shared:
			onShared |= 1 << lane
		case global:
			onGlobal |= 1 << lane
		}
	}
	unlock(held)
	t := w.tally()
	t.requests++
	t.countShared(&w.request.at, onShared, m.size)
	t.countGlobal(&w.request.at, onGlobal)
}

// countWhole counts the accesses that whole has vouched for.
func (w *warp) countWhole(size int, mask uint32) {
	t := w.tally()
	t.requests++
	switch w.request.region.space {
	case shared:
		t.countShared(&w.request.at, mask, size)
	case global:
		t.countGlobal(&w.request.at, mask)
	}
}

// tally is where the instruction that the warp executes is counted.
func (w *warp) tally() *tally { return &w.block.tallies[w.pc] }

// lock takes the lock of the page of a region that blocks of several workers may touch, for its shadow and for atomic operations, giving
// back the one held; and returns it. What else blocks do to a page at once is done to different bytes, or is a race.
func (w *warp) lock(m memory, r *region, offset int, held *sync.Mutex) *sync.Mutex {
	l := w.block.launch
	if !l.locking || r.space != global || !l.races && m.how != updating {
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
