package ptx

import "math/bits"

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
	form := asyncForm{to: to, from: from, count: count, toOffset: toOffset, fromOffset: fromOffset, size: size}
	r.touches(shared, size, 4)
	r.touches(global, size, 4)
	r.apply(func(w *warp, _ *inst, mask uint32) { form.issue(w, mask) })
}

// asyncForm is a cp.async with its operands: rows of the addresses in shared and global memory and of the source size.
type asyncForm struct {
	to, from, count      int32
	toOffset, fromOffset int64
	size                 int
}

// issue starts the copies of the lanes of mask. Each reads its source, as many bytes as count says, and has zeros for the rest.
func (f *asyncForm) issue(w *warp, mask uint32) {
	var places, sources [lanes]uint64 // in shared and global memory
	var copied, read uint32           // lanes that started a copy, and that read something for it
	if full, ok := f.check(w, mask, &places, &sources); ok {
		for rest := mask; rest != 0 && w.fault == nil; rest &= rest - 1 {
			lane := bits.TrailingZeros32(rest) % lanes
			flight := asyncCopy{lane: lane, offset: int(places[lane])}
			if full>>lane&1 != 0 {
				copy(flight.data[:], w.request.region.data[sources[lane]:][:f.size])
			}
			f.launch(w, flight)
		}
		copied, read = mask, full
	} else {
		for ; mask != 0 && w.fault == nil; mask &= mask - 1 {
			lane := firstLane(mask)
			if f.issueOne(w, lane, &places[lane], &sources[lane]) > 0 {
				read |= 1 << lane
			}
			copied |= 1 << lane
		}
	}
	t := w.tally()
	t.requests++
	t.countShared(&places, copied, f.size)
	t.countGlobal(&sources, read)
}

// check looks the places of all copies up, in two requests. It reports false where not all is well, or a lane copies a part of its bytes;
// full are the lanes that copy all, the others copy none.
func (f *asyncForm) check(w *warp, mask uint32, places, sources *[lanes]uint64) (full uint32, ok bool) {
	from, counts := &w.rows[f.from], &w.rows[f.count]
	if !w.whole(memory{space: shared, size: f.size, how: writing}, &w.rows[f.to], f.toOffset, mask) {
		return 0, false
	}
	*places = w.request.at
	for ; mask != 0; mask &= mask - 1 {
		lane := bits.TrailingZeros32(mask) % lanes
		switch {
		case int(counts[lane]) == f.size:
			full |= 1 << lane
		case counts[lane] != 0 || (from[lane]+uint64(f.fromOffset))&uint64(f.size-1) != 0:
			return 0, false
		}
	}
	if full != 0 && !w.whole(memory{space: global, size: f.size, how: reading}, from, f.fromOffset, full) {
		return 0, false
	}
	*sources = w.request.at
	return full, true
}

// issueOne starts a lane's copy. It notes where the copy lies, and returns how many bytes it reads.
func (f *asyncForm) issueOne(w *warp, lane int, to, from *uint64) int {
	n := int(w.rows[f.count][lane])
	address := w.rows[f.from][lane] + uint64(f.fromOffset)
	write := memory{space: shared, size: f.size, how: writing}
	target, place := w.span(write, lane, w.rows[f.to][lane]+uint64(f.toOffset))
	switch {
	case target == nil || !w.admit(write, target, place, lane, nil):
		return 0
	case n > f.size:
		w.fail(lane, "cp.async copies %d bytes of %d: the source size must be at most the size", n, f.size)
		return 0
	case address&uint64(f.size-1) != 0:
		w.fail(lane, "cp.async of %d bytes from global address %#x: the address must be a multiple of %d", f.size, address, f.size)
		return 0
	}
	flight := asyncCopy{lane: lane, offset: place}
	for at := 0; at < n; {
		read := memory{space: global, size: 1 << (bits.Len(uint(min(n-at, 4))) - 1), how: reading} // 4 bytes, and what is left by 2 and 1
		source, offset := w.span(read, lane, address+uint64(at))
		if source == nil {
			return 0
		}
		held := w.lock(read, source, offset, nil)
		admitted := w.admit(read, source, offset, lane, nil)
		unlock(held)
		if !admitted {
			return 0
		}
		copy(flight.data[at:], source.data[offset:offset+read.size])
		at += read.size
	}
	f.launch(w, flight)
	*to, *from = uint64(place), address
	return n
}

// launch lets a copy fly.
func (f *asyncForm) launch(w *warp, c asyncCopy) {
	b := w.block
	if b.flights > 0 && b.isFlying(c.offset, f.size) { // the copy of another lane, by the same instruction
		w.admit(memory{space: shared, size: f.size, how: writing}, &b.shared, c.offset, c.lane, nil)
		return
	}
	c.group, c.n = w.copies.groups[c.lane], f.size
	w.copies.open = append(w.copies.open, c)
	b.fly(c.offset, f.size, true)
}

// land completes the copies of the lanes of mask, but for those of the latest pending groups committed; -1 completes those that are
// in no group too.
func (w *warp) land(mask uint32, pending int) {
	target := &w.block.shared
	races := w.races(target)
	kept := w.copies.open[:0]
	for i := range w.copies.open {
		c := &w.copies.open[i]
		if mask>>c.lane&1 == 0 || c.group >= w.copies.groups[c.lane]-pending {
			kept = append(kept, *c)
			continue
		}
		w.block.fly(c.offset, c.n, false)
		if races && !w.touch(target, c.offset, c.n, c.lane, writing, nil) {
			return
		}
		copy(target.data[c.offset:], c.data[:c.n])
		target.mark(c.offset, c.n)
	}
	w.copies.open = kept
}

func init() { define("cp", decodeAsync) }
