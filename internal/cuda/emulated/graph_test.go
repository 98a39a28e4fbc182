package emulated

import (
	"testing"

	"trainer/internal/cuda/driver"
)

// capture records what f queues.
func (r *rig) capture(s driver.Stream, f func()) driver.Graph {
	r.t.Helper()
	r.do(s.BeginCapture())
	f()
	return must(r, s.EndCapture)
}

func TestAGraphRepeatsWhatWasRecorded(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		s, p, one, in, out := r.stream(), r.words(0), r.words(1), r.pinned(0), r.pinned(0)
		g := r.capture(s, func() {
			r.do(s.Upload(one, in), s.Launch(r.plus, add(p, p, one)), s.Download(out, p))
		})
		if got := r.read(s, p); got != 0 {
			t.Fatalf("recording ran: %d", got)
		}
		for i := range int32(3) {
			set(in, i+1) // what is copied is what is there at each replay
			r.do(s.Replay(g), s.Synchronize())
			if want := []int32{1, 3, 6}[i]; get(out) != want {
				t.Errorf("seed %d, replay %d: got %d, expected %d", seed, i, get(out), want)
			}
		}
		r.do(s.Replay(g))
		set(in, 9)
		failing(t, s.Synchronize(), "replayed upload of 4 bytes")
	}
}

func TestAReplayIsOrderedWithinItsStreamAndWithItself(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		s, other, p := r.stream(), r.stream(), r.words(1)
		g := r.capture(s, func() { r.do(s.Launch(r.plus, add(p, p, p))) })
		r.do(s.Fill(p, 3, 1), s.Replay(g), other.Replay(g), other.Launch(r.plus, add(p, p, p)))
		if got := r.read(other, p); got != 24 {
			t.Errorf("seed %d: got %d, expected 24", seed, got)
		}
		r.do(s.Synchronize())
		failing(t, func() error { r.do(s.Replay(g)); return g.Close() }(), "the queued begin of a replay")
		failing(t, r.Free(p), "the queued replayed kernel plus")
		r.do(s.Synchronize(), g.Close())
		failing(t, s.Replay(g), "the graph is closed")
	}
}

// forked records a fork to a second stream, and its join if asked for. The branches write q and p, and the end adds them up in p.
func forked(r *rig, s, side driver.Stream, p, q driver.Pointer, join bool) {
	fork, back := r.event(), r.event()
	r.do(s.Fill(p, 1, 1), s.Record(fork), side.Wait(fork), side.Launch(r.plus, add(q, p, p)), side.Record(back))
	r.do(s.Copy(p+4, p, 4))
	if join {
		r.do(s.Wait(back))
		r.do(s.Launch(r.plus, add(p, q, p+4)), side.Record(r.event())) // an event that nobody waits for is no work
	}
}

func TestAGraphMayForkAndJoin(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		s, side, p, q := r.stream(), r.stream(), r.words(0, 0), r.words(0)
		g := r.capture(s, func() { forked(r, s, side, p, q, true) })
		r.do(side.Fill(q, 9, 1), side.Synchronize()) // it is captured no more
		r.do(s.Replay(g), s.Replay(g))
		if got := r.read(s, p); got != 3 {
			t.Errorf("seed %d: got %d, expected 3", seed, got)
		}
	}
}

func TestBranchesOfAGraphRunInAnyOrderAndMustNotRace(t *testing.T) {
	got := map[int32]bool{}
	for seed := range uint64(seeds) {
		for _, ignore := range []bool{true, false} {
			r := newRig(t, Options{Seed: seed, IgnoreRaces: ignore})
			s, side, p, fork, back := r.stream(), r.stream(), r.words(0), r.event(), r.event()
			g := r.capture(s, func() {
				r.do(s.Record(fork), side.Wait(fork), side.Fill(p, 1, 1), side.Record(back), s.Fill(p, 2, 1), s.Wait(back))
			})
			r.do(s.Replay(g))
			if ignore {
				got[r.read(s, p)] = true
			} else {
				failing(t, s.Synchronize(), "race with replayed fill")
			}
		}
	}
	if !got[1] || !got[2] {
		t.Errorf("got %v, expected 1 for some seeds and 2 for others", got)
	}
}

func TestAForkThatIsNotJoinedIsRefused(t *testing.T) {
	r := newRig(t, Options{})
	s, side, p, q := r.stream(), r.stream(), r.words(0, 0), r.words(0)
	r.do(s.BeginCapture())
	forked(r, s, side, p, q, false)
	_, err := s.EndCapture()
	failing(t, err, "does not wait for wait for an event (stream ")
	r.do(s.Fill(p, 1, 1), s.Synchronize()) // the capture is over nevertheless
	r.capture(s, func() { forked(r, s, side, p, q, true) })
}

func TestACaptureForbidsWhatWouldWait(t *testing.T) {
	r := newRig(t, Options{})
	s, other, e, p, host := r.stream(), r.stream(), r.event(), r.words(0), r.pinned(0)
	for what, f := range map[string]func() error{
		"Synchronize":  s.Synchronize,
		"Synchronize ": other.Synchronize,
		"Allocate":     func() error { _, err := r.Allocate(4); return err },
		"AllocateHost": func() error { _, err := r.AllocateHost(4); return err },
		"Free":         func() error { return r.Free(p) },
		"FreeHost":     func() error { return r.FreeHost(host) },
		"Load":         func() error { _, err := r.Load("test", []byte(testKernels)); return err },
		"Unload":       r.module.Unload,
	} {
		r.do(s.BeginCapture(), s.Fill(p, 1, 1), s.Record(e))
		failing(t, f(), what)
		_, err := s.EndCapture()
		failing(t, err, "the capture was spoilt: "+what)
	}
	r.do(s.BeginCapture(), s.Record(e))
	failing(t, s.BeginCapture(), "is captured already")
	failing(t, s.Close(), "closed while it is captured")
	_, err := other.EndCapture()
	failing(t, err, "is not captured")
	must(r, s.EndCapture)
	failing(t, e.Synchronize(), "the event was last recorded in a capture")
	failing(t, other.Wait(e), "in a capture that has ended")
}

func TestCapturesAreIsolated(t *testing.T) {
	r := newRig(t, Options{})
	a, b, outside, of, p := r.stream(), r.stream(), r.event(), r.event(), r.words(0)
	g := r.capture(a, func() { r.do(a.Fill(p, 1, 1)) })
	r.do(b.Record(outside))
	spoilt := func(want string) {
		t.Helper()
		_, err := a.EndCapture()
		failing(t, err, "the capture was spoilt: "+want)
	}

	r.do(a.BeginCapture())
	failing(t, a.Wait(outside), "the event was recorded outside the capture")
	spoilt("stream ")

	r.do(a.BeginCapture())
	failing(t, a.Replay(g), "is captured")
	spoilt("Replay")

	r.do(a.BeginCapture(), b.BeginCapture(), b.Record(of))
	failing(t, a.Wait(of), "belongs to another capture")
	spoilt("stream ")
	_, err := b.EndCapture()
	failing(t, err, "the capture was spoilt")

	r.do(a.BeginCapture(), a.Record(of), b.Wait(of))
	_, err = b.EndCapture()
	failing(t, err, "must end")
	spoilt("EndCapture")
}

func TestAReplayFindsWhatWasGivenBack(t *testing.T) {
	r := newRig(t, Options{})
	s, p, q, host := r.stream(), r.words(0), r.words(0), r.pinned(0)
	fill := r.capture(s, func() { r.do(s.Fill(p, 1, 1)) })
	upload := r.capture(s, func() { r.do(s.Upload(q, host)) })
	launch := r.capture(s, func() { r.do(s.Launch(r.plus, add(q, q, q))) })
	r.do(s.Replay(fill), s.Replay(upload), s.Replay(launch), s.Synchronize())
	r.do(r.Free(p), r.FreeHost(host), r.module.Unload())
	failing(t, s.Replay(fill), "fill of 1 words")
	failing(t, s.Replay(upload), "uses host memory of 4 bytes, which was given back")
	failing(t, s.Replay(launch), "uses module test, which was given back")
	other := newRig(t, Options{})
	failing(t, s.Replay(other.capture(other.stream(), func() {})), "the graph is not of this GPU")
}
