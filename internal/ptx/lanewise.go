package ptx

import "math/bits"

// Most instructions work on each lane alone. The functions here turn what one lane does into what a warp does: the loop over all
// lanes is kept apart from the one over some, because most warps are whole and it is twice as fast.

func lanewise1(f func(a uint64) uint64) func(*warp, *inst, uint32) {
	return func(w *warp, in *inst, mask uint32) {
		d, a := &w.rows[in.d], &w.rows[in.a]
		if mask == allLanes {
			for i := range d {
				d[i] = f(a[i])
			}
			return
		}
		for ; mask != 0; mask &= mask - 1 {
			i := bits.TrailingZeros32(mask)
			d[i] = f(a[i])
		}
	}
}

func lanewise2(f func(a, b uint64) uint64) func(*warp, *inst, uint32) {
	return func(w *warp, in *inst, mask uint32) {
		d, a, b := &w.rows[in.d], &w.rows[in.a], &w.rows[in.b]
		if mask == allLanes {
			for i := range d {
				d[i] = f(a[i], b[i])
			}
			return
		}
		for ; mask != 0; mask &= mask - 1 {
			i := bits.TrailingZeros32(mask)
			d[i] = f(a[i], b[i])
		}
	}
}

func lanewise3(f func(a, b, c uint64) uint64) func(*warp, *inst, uint32) {
	return func(w *warp, in *inst, mask uint32) {
		d, a, b, c := &w.rows[in.d], &w.rows[in.a], &w.rows[in.b], &w.rows[in.c]
		if mask == allLanes {
			for i := range d {
				d[i] = f(a[i], b[i], c[i])
			}
			return
		}
		for ; mask != 0; mask &= mask - 1 {
			i := bits.TrailingZeros32(mask)
			d[i] = f(a[i], b[i], c[i])
		}
	}
}

// ballot returns the lanes of mask for which f holds.
func ballot(mask uint32, a, b *row, f func(a, b uint64) bool) uint32 {
	var result uint32
	if mask == allLanes {
		for i := range a {
			if f(a[i], b[i]) {
				result |= 1 << i
			}
		}
		return result
	}
	for ; mask != 0; mask &= mask - 1 {
		i := bits.TrailingZeros32(mask)
		if f(a[i], b[i]) {
			result |= 1 << i
		}
	}
	return result
}

// predicate returns the lanes for which a predicate, or its negation, holds.
func (w *warp) predicate(at int32, not bool) uint32 {
	if not {
		return ^w.predicates[at]
	}
	return w.predicates[at]
}

// setPredicate sets a predicate in the lanes of mask.
func (w *warp) setPredicate(at int32, mask, value uint32) {
	w.predicates[at] = w.predicates[at]&^mask | value&mask
}
