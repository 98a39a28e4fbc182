package emulated

import "testing"

func TestStreamsMayWorkOnPartsOfOneAllocation(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		a, b, p := r.stream(), r.stream(), r.words(1, 2, 3, 4)
		r.do(
			a.Launch(r.plus, add(p, p+8, p+8)), a.Copy(p+4, p+12, 4),
			b.Launch(r.plus, add(p, p+8, p+8)),
		)
		failing(t, synchronize(a, b), "race with kernel plus")
		r = newRig(t, Options{Seed: seed})
		a, b, p = r.stream(), r.stream(), r.words(1, 2, 3, 4)
		r.do(a.Launch(r.plus, add(p, p+8, p+8)), b.Launch(r.plus, add(p+4, p+8, p+8)), synchronize(a, b))
	}
}

func TestTheHostOrdersWhatItQueuesAfterWaiting(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		a, b, p := r.stream(), r.stream(), r.words(0)
		r.do(a.Fill(p, 1, 1), a.Synchronize(), b.Fill(p, 2, 1), b.Synchronize(), a.Fill(p, 3, 1), a.Synchronize())
		// What was queued before the host waited is not ordered by that.
		r.do(b.Fill(p, 4, 1), a.Fill(p, 5, 1))
		failing(t, synchronize(a, b), "race with fill of 1 words")
	}
}

func TestAnOrderMayLeadThroughOtherStreams(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		a, b, c, e, f, p := r.stream(), r.stream(), r.stream(), r.event(), r.event(), r.words(0)
		r.do(a.Fill(p, 1, 1), a.Record(e), b.Wait(e), b.Record(f), c.Wait(f), c.Fill(p, 2, 1))
		r.do(synchronize(c, a, b))
		if got := r.read(c, p); got != 2 {
			t.Errorf("seed %d: got %d, expected 2", seed, got)
		}
	}
}

func TestWhatTheHostWaitedForIsForgotten(t *testing.T) {
	r := newRig(t, Options{})
	a, b, e, p := r.stream(), r.stream(), r.event(), r.words(0)
	for range 100 {
		r.do(b.Fill(p, 1, 1), b.Record(e), a.Wait(e), a.Launch(r.plus, add(p, p, p)), a.Record(e), b.Wait(e), a.Synchronize())
	}
	if n := len(r.history); n > 20 {
		t.Errorf("%d pieces of work are remembered after 100 steps", n)
	}
	if n := len(ancestors(a.(*stream).last, func(*task) bool { return true })); n > 20 {
		t.Errorf("%d pieces of work are kept alive after 100 steps", n)
	}
}

// synchronize waits for streams, one after the other, and returns the first error.
func synchronize(streams ...interface{ Synchronize() error }) error {
	for _, s := range streams {
		if err := s.Synchronize(); err != nil {
			return err
		}
	}
	return nil
}
