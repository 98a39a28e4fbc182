package ptx

import (
	"math/bits"
	"sync"
)

// Asynchronous copies: PTX ISA 8.8, section 9.7.9.25.3 (cp.async). A copy reads global memory when it is issued. What it read
// reaches shared memory when its thread waits for it; until then nobody may touch the place.

// asyncCopies are a warp's copies that were not waited for, and how many groups each lane has committed.
type asyncCopies struct {
	open   []asyncCopy
	groups [lanes]int
}

// asyncCopy is one lane's copy.
type asyncCopy struct {
	lane, group int
	offset, n   int // in shared memory
	data        [16]byte
}

func (a asyncCopies) reset() asyncCopies { return asyncCopies{open: a.open[:0]} }

// fly notes whether n bytes of shared memory are about to be written by a copy.
func (b *block) fly(offset, n int, flying bool) {
	set := ones(n) << (offset % 64)
	if flying {
		b.flying[offset/64] |= set
		b.flights += n
	} else {
		b.flying[offset/64] &^= set
		b.flights -= n
	}
}

// isFlying reports whether a copy is about to write one of n bytes, which are aligned to their number.
func (b *block) isFlying(offset, n int) bool {
	return b.flying[offset/64]&(ones(n)<<(offset%64)) != 0
}

// decodeAsync decodes cp.async and its commit_group, wait_group and wait_all.
func decodeAsync(r *reader) {
	r.must("async")
	switch r.oneOf("commit_group wait_group wait_all ca cg") {
	case "commit_group":
		if r.want(0) {
			r.apply(func(w *warp, _ *inst, mask uint32) {
				for ; mask != 0; mask &= mask - 1 {
					w.copies.groups[bits.TrailingZeros32(mask)]++
				}
			})
		}
	case "wait_group":
		if r.want(1) {
			n := int(r.number(0, 1<<20))
			r.apply(func(w *warp, _ *inst, mask uint32) { w.land(mask, n) })
		}
	case "wait_all":
		if r.want(0) {
			r.apply(func(w *warp, _ *inst, mask uint32) { w.land(mask, -1) })
		}
	case "ca":
		decodeAsyncCopy(r, false)
	case "cg":
		decodeAsyncCopy(r, true)
	default:
		r.fail("only .ca, .cg, .commit_group, .wait_group and .wait_all are supported")
	}
}

func decodeAsyncCopy(r *reader, cg bool) {
	r.must("shared shared::cta")
	r.must("global")
	r.takeHints("")
	args := r.statement.args
	if len(args) != 3 && len(args) != 4 {
		r.fail("3 or 4 operands expected, found %d", len(args))
		return
	}
	size := int(r.number(2, 16))
	if size != 16 && (cg || size != 4 && size != 8) {
		r.fail("a copy of %d bytes: .cg copies 16, .ca 4, 8 or 16", size)
		return
	}
	to, toOffset, _ := r.addressOf(args[0], shared)
	from, fromOffset, _ := r.addressOf(args[1], global)
	count := r.constant(uint64(size))
	if len(args) == 4 {
		count = r.source(args[3], u32, false)
	}
	form := asyncForm{to: to, from: from, count: count, toOffset: uint64(toOffset), fromOffset: uint64(fromOffset), size: size}
	r.touches(shared, size, 4)
	r.touches(global, size, 4)
	r.apply(func(w *warp, _ *inst, mask uint32) {
		var held *sync.Mutex
		for ; mask != 0 && w.fault == nil; mask &= mask - 1 {
			held = form.issue(w, bits.TrailingZeros32(mask), held)
		}
		unlock(held)
		w.traffic.finish(&w.block.tallies[w.pc])
	})
}

// asyncForm is a cp.async with its operands: rows of the addresses in shared and global memory and of the source size.
type asyncForm struct {
	to, from, count      int32
	toOffset, fromOffset uint64
	size                 int
}

// issue starts a lane's copy: it reads the source, as many bytes as count says, and zeros for the rest. It holds the lock of the
// page read last, and returns it.
func (f asyncForm) issue(w *warp, lane int, held *sync.Mutex) *sync.Mutex {
	n := int(w.rows[f.count][lane])
	address := w.rows[f.from][lane] + f.fromOffset
	write := memory{space: shared, size: f.size, how: writing}
	target, place := w.span(write, lane, w.rows[f.to][lane]+f.toOffset)
	switch {
	case target == nil || !w.admit(write, target, place, lane, nil):
		return held
	case n > f.size:
		w.fail(lane, "cp.async copies %d bytes of %d: the source size must be at most the size", n, f.size)
		return held
	case address&uint64(f.size-1) != 0:
		w.fail(lane, "cp.async of %d bytes from global address %#x: the address must be a multiple of %d", f.size, address, f.size)
		return held
	}
	flight := asyncCopy{lane: lane, group: w.copies.groups[lane], offset: place, n: f.size}
	for at := 0; at < n; {
		read := memory{space: global, size: 1 << (bits.Len(uint(min(n-at, 4))) - 1), how: reading} // 4 bytes, and what is left by 2 and 1
		source, offset := w.span(read, lane, address+uint64(at))
		if source == nil {
			return held
		}
		held = w.lock(source, offset, held)
		if !w.admit(read, source, offset, lane, nil) {
			return held
		}
		w.count(source, offset, read.size)
		copy(flight.data[at:], source.data[offset:offset+read.size])
		at += read.size
	}
	w.copies.open = append(w.copies.open, flight)
	w.block.fly(place, f.size, true)
	w.traffic.shared(place, f.size)
	return held
}

// land completes the copies of the lanes of mask, but for those of the latest pending groups committed; -1 completes those that are
// in no group too.
func (w *warp) land(mask uint32, pending int) {
	write := memory{space: shared, how: writing}
	kept := w.copies.open[:0]
	for _, c := range w.copies.open {
		if mask>>c.lane&1 == 0 || c.group >= w.copies.groups[c.lane]-pending {
			kept = append(kept, c)
			continue
		}
		w.block.fly(c.offset, c.n, false)
		write.size = c.n
		shared := &w.block.shared
		if !w.admit(write, shared, c.offset, c.lane, nil) {
			return
		}
		copy(shared.data[c.offset:], c.data[:c.n])
		shared.mark(c.offset, c.n)
	}
	w.copies.open = kept
}

func init() { define("cp", decodeAsync) }
