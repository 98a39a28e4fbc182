package emulated

import (
	"slices"
	"testing"

	"trainer/internal/cuda/driver"
	"trainer/internal/ptx"
)

func TestSpansConflictWhereOneIsWritten(t *testing.T) {
	read := func(begin, end ptx.Address) ptx.Span { return ptx.Span{Begin: begin, End: end} }
	write := func(begin, end ptx.Address) ptx.Span { return ptx.Span{Begin: begin, End: end, Wrote: true} }
	for _, test := range []struct {
		a, b []ptx.Span
		at   ptx.Address // of the conflict; 0 means none
	}{
		{[]ptx.Span{read(1, 9)}, []ptx.Span{read(1, 9)}, 0},
		{[]ptx.Span{write(1, 9)}, []ptx.Span{read(8, 9)}, 8},
		{[]ptx.Span{read(1, 9)}, []ptx.Span{write(8, 9)}, 8},
		{[]ptx.Span{write(1, 9)}, []ptx.Span{write(9, 12)}, 0},
		{[]ptx.Span{read(3, 9), write(20, 30)}, []ptx.Span{read(2, 40)}, 20},
		{[]ptx.Span{read(1, 9), read(20, 30)}, []ptx.Span{read(0, 22), write(22, 23)}, 22},
		{[]ptx.Span{write(1, 9)}, nil, 0},
	} {
		for _, swap := range []bool{false, true} {
			a, b := test.a, test.b
			if swap {
				a, b = b, a
			}
			if at, racing := conflict(a, b); racing != (test.at != 0) || racing && at != test.at {
				t.Errorf("%v and %v: got %v at %d, expected one at %d", a, b, racing, at, test.at)
			}
		}
	}
	got := inOrder(read(20, 30), read(1, 9), write(1, 9), write(9, 12))
	if want := []ptx.Span{write(1, 9), write(9, 12), read(20, 30)}; !slices.Equal(got, want) {
		t.Errorf("got %v, expected %v", got, want)
	}
}

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
		r.do(r.stream().Fill(r.words(0), 1, 1)) // stays queued, so that what comes after it is remembered
		r.do(a.Fill(p, 1, 1), a.Synchronize(), b.Fill(p, 2, 1), b.Synchronize(), a.Fill(p, 3, 1), a.Synchronize())
		// What was queued before the host waited is not ordered by that.
		r.do(b.Fill(p, 4, 1), a.Fill(p, 5, 1))
		failing(t, synchronize(a, b), "race with fill of 1 words")
	}
}

func TestCopiesRaceForHostMemoryToo(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		a, b, p, q, host := r.stream(), r.stream(), r.words(1), r.words(2), r.pinned(0, 0)
		r.do(a.Upload(p, host[:4]), b.Download(host[4:], q), synchronize(a, b)) // parts of one allocation
		r.do(a.Download(host[2:6], p), b.Download(host[4:], q))
		failing(t, synchronize(a, b), "race with download of 4 bytes")
	}
}

func TestEveryCopyTellsWhatItReadsAndWrites(t *testing.T) {
	r := newRig(t, Options{})
	p, q, o, host, other := r.words(0, 0), r.words(0, 0), r.words(0, 0), r.pinned(0, 0), r.pinned(0, 0)
	upload := func(s driver.Stream) error { return s.Upload(p, host) }
	download := func(s driver.Stream) error { return s.Download(other, p) }
	copied := func(s driver.Stream) error { return s.Copy(q, p, 8) }
	filled := func(s driver.Stream) error { return s.Fill(p, 0, 2) }
	for name, test := range map[string]struct {
		one, two func(driver.Stream) error
		racing   bool
	}{
		"both upload to one place":      {upload, upload, true},
		"upload and download of it":     {upload, download, true},
		"upload and copy of it":         {upload, copied, true},
		"both fill one place":           {filled, filled, true},
		"fill and its second word":      {filled, func(s driver.Stream) error { return s.Fill(p+4, 0, 1) }, true},
		"both copy to one place":        {copied, copied, true},
		"copy and download of it":       {copied, func(s driver.Stream) error { return s.Download(other, q) }, true},
		"both upload from one place":    {upload, func(s driver.Stream) error { return s.Upload(o, host) }, false},
		"both download from one place":  {download, func(s driver.Stream) error { return s.Download(host, p) }, false},
		"both download to one place":    {download, func(s driver.Stream) error { return s.Download(other, q) }, true},
		"copy and download of a source": {copied, download, false},
		"upload and fill of a neighbour": {
			func(s driver.Stream) error { return s.Upload(p, host[:4]) }, func(s driver.Stream) error { return s.Fill(p+4, 0, 1) }, false,
		},
	} {
		spans := func(f func(driver.Stream) error) []ptx.Span {
			s := r.stream()
			r.do(f(s))
			return s.(*stream).last.touched
		}
		if _, racing := conflict(spans(test.one), spans(test.two)); racing != test.racing {
			t.Errorf("%s: a race is %v, expected %v", name, racing, test.racing)
		}
	}
}

func TestMemoryIsFreedOnlyAfterTheHostWaited(t *testing.T) {
	for seed := range uint64(seeds) { // some run the work of a that nobody waits for
		r := newRig(t, Options{Seed: seed, IgnoreRaces: seed%2 == 0})
		a, b, e, p := r.stream(), r.stream(), r.event(), r.words(0)
		r.do(r.stream().Fill(r.words(0), 1, 1)) // older than all and never waited for
		r.do(a.Fill(p, 1, 1), a.Record(e), b.Fill(r.words(0), 1, 1), b.Synchronize())
		failing(t, r.Free(p), "the queued fill of 1 words")
		r.do(b.Wait(e), b.Synchronize(), r.Free(p))
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
