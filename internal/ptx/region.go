package ptx

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
)

// region is a piece of memory with its limits: an allocation, the shared memory of a block, the local memory of a warp.
type region struct {
	space   space
	base    uint64 // the address of its first byte
	data    []byte
	written []uint64 // a bit for each byte that holds a value
	missing int64    // bytes that hold none
	pages   []page   // of memory that threads share; nil for other
	epoch   uint32   // of shared memory: counts the blocks that used it
	lane    int      // of local memory: bytes of a lane
}

const (
	pageShift = 12
	pageBytes = 1 << pageShift
)

// page is 4 KB of a region that threads share: its shadow, and the lock that blocks of other workers respect.
type page struct {
	sync.Mutex
	cells []cell
	epoch uint32 // the latest that the cells speak of
}

// newRegion returns memory of a number of bytes in which nothing was written.
func newRegion(s space, base uint64, size int) region {
	r := region{space: s, base: base, data: make([]byte, size), written: make([]uint64, (size+63)/64), missing: int64(size)}
	if s == global || s == shared {
		r.pages = make([]page, (size+pageBytes-1)/pageBytes)
	}
	return r
}

// forget makes all bytes ones that hold no value.
func (r *region) forget() {
	clear(r.written)
	r.missing = int64(len(r.data))
}

// whole reports whether all bytes hold values.
func (r *region) whole() bool { return atomic.LoadInt64(&r.missing) == 0 }

// mark notes that n bytes hold values. Blocks of several workers may write bytes of one word at once.
func (r *region) mark(offset, n int) {
	if r.whole() {
		return
	}
	for end := offset + n; offset < end; {
		bit := offset % 64
		count := min(64-bit, end-offset)
		if set := ones(count) << bit; set&^r.word(offset/64) != 0 {
			before := atomic.OrUint64(&r.written[offset/64], set)
			atomic.AddInt64(&r.missing, -int64(bits.OnesCount64(set&^before)))
		}
		offset += count
	}
}

// word returns 64 bits of written.
func (r *region) word(i int) uint64 { return atomic.LoadUint64(&r.written[i]) }

// unwritten returns the first of n bytes that holds no value, or -1.
func (r *region) unwritten(offset, n int) int {
	if r.whole() {
		return -1
	}
	for end := offset + n; offset < end; {
		bit := offset % 64
		count := min(64-bit, end-offset)
		if missing := ones(count) << bit &^ r.word(offset/64); missing != 0 {
			return offset - bit + bits.TrailingZeros64(missing)
		}
		offset += count
	}
	return -1
}

// ones returns n set bits.
func ones(n int) uint64 { return ^uint64(0) >> (64 - n) }

// describe names a place for an error.
func (r *region) describe(offset int) string {
	if r.space == global {
		return fmt.Sprintf("global address %#x (byte %d of an allocation of %d)", r.base+uint64(offset), offset, len(r.data))
	}
	if r.space == local {
		return fmt.Sprintf("local address %#x", offset%max(r.lane, 1))
	}
	return fmt.Sprintf("%v address %#x", r.space, offset)
}
