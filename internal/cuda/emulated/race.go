package emulated

import (
	"cmp"
	"fmt"
	"slices"

	"trainer/internal/ptx"
)

// A task comes before another where a chain of streams and events leads from one to the other, or where the host waited for the first
// before it queued the second. Two tasks of which neither comes before the other race if one writes what the other touches.

// ordered returns an error if a task that just ran races with one that ran before it.
func (d *Device) ordered(t *task) error {
	before := ancestors(t, func(a *task) bool { return a == t || !a.settledBefore(t) })
	for _, other := range d.history {
		if before[other] || other.settledBefore(t) {
			continue
		}
		if at, racing := conflict(other.touched, t.touched); racing {
			return fmt.Errorf("race with %s: both touch address %#x, one of them writes, and nothing orders them: "+
				"record an event behind one and wait for it before the other", other.name, at)
		}
	}
	return nil
}

// settledBefore reports whether the host knew that a task was done when it queued another.
func (t *task) settledBefore(other *task) bool { return t.known != 0 && t.known < other.serial }

// learn notes that the host knows that a task is done, and with it all that come before; and forgets those that come before all tasks that
// are still to run.
func (d *Device) learn(t *task) {
	for a := range ancestors(t, func(a *task) bool { return a.known == 0 }) {
		a.known = d.schedule.queued
	}
	oldest := d.schedule.queued + 1
	if len(d.schedule.pending) > 0 {
		oldest = d.schedule.pending[0].serial
	}
	d.history = slices.DeleteFunc(d.history, func(h *task) bool {
		forgotten := h.known != 0 && h.known < oldest
		if forgotten {
			h.after, h.touched, h.run = nil, nil, nil
		}
		return forgotten
	})
}

// unfinished yields the tasks of which the host does not know that they are done.
func (d *Device) unfinished(yield func(*task) bool) {
	for _, t := range slices.Concat(d.history, d.schedule.pending) {
		if t.known == 0 && !yield(t) {
			return
		}
	}
}

// span is n bytes that a task touches.
func span(begin ptx.Address, n int, wrote bool) ptx.Span {
	return ptx.Span{Begin: begin, End: begin + ptx.Address(n), Wrote: wrote}
}

// inOrder sorts spans by address and makes one of those that overlap, as an addend does that is the product's result.
func inOrder(spans ...ptx.Span) []ptx.Span {
	slices.SortFunc(spans, func(a, b ptx.Span) int { return cmp.Compare(a.Begin, b.Begin) })
	apart := spans[:0]
	for _, s := range spans {
		if n := len(apart); n > 0 && s.Begin < apart[n-1].End {
			apart[n-1].End = max(apart[n-1].End, s.End)
			apart[n-1].Wrote = apart[n-1].Wrote || s.Wrote
		} else {
			apart = append(apart, s)
		}
	}
	return apart
}

// conflict returns an address that is in spans of both lists, and written in one of them. Lists are in order of address, and spans of
// one do not overlap.
func conflict(a, b []ptx.Span) (ptx.Address, bool) {
	for len(a) > 0 && len(b) > 0 {
		if at := max(a[0].Begin, b[0].Begin); at < min(a[0].End, b[0].End) && (a[0].Wrote || b[0].Wrote) {
			return at, true
		}
		if a[0].End < b[0].End {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return 0, false
}
