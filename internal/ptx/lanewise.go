package ptx

import "math/bits"

// Most instructions work on each lane alone: what they do is a function of rows, which computes all lanes, those that do not take part
// too, in one loop that the compiler makes tight. The commonest instructions have a loop of their own; each1 to each3 make one for the
// others of what a single lane does, at a call for each.

// rowFunc computes d of up to three operands, all lanes of it. It has no other effect, and d may be any of the operands.
type rowFunc func(d, a, b, c *row)

func each1(f func(a uint64) uint64) rowFunc {
	return func(d, a, _, _ *row) {
		for i := range d {
			d[i] = f(a[i])
		}
	}
}

func each2(f func(a, b uint64) uint64) rowFunc {
	return func(d, a, b, _ *row) {
		for i := range d {
			d[i] = f(a[i], b[i])
		}
	}
}

func each3(f func(a, b, c uint64) uint64) rowFunc {
	return func(d, a, b, c *row) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}

// compute executes an instruction that works on each lane alone.
func (w *warp) compute(in *inst, mask uint32) {
	if mask == allLanes {
		in.compute(&w.rows[in.d], &w.rows[in.a], &w.rows[in.b], &w.rows[in.c])
		return
	}
	var result row
	in.compute(&result, &w.rows[in.a], &w.rows[in.b], &w.rows[in.c])
	w.set(in.d, mask, &result)
}

// set gives the lanes of mask their values.
func (w *warp) set(to int32, mask uint32, values *row) {
	d := &w.rows[to]
	if mask == allLanes {
		*d = *values
		return
	}
	for ; mask != 0; mask &= mask - 1 {
		i := bits.TrailingZeros32(mask) % lanes
		d[i] = values[i]
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
