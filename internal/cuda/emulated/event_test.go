package emulated

import "testing"

// forgetful lets one stream add to a word that another one wrote, with or without the wait that orders them.
func forgetful(r *rig, wait bool) (int32, error) {
	a, b, e, p, v := r.stream(), r.stream(), r.event(), r.words(1), r.words(20)
	host := r.pinned(0)
	r.do(a.Launch(r.plus, add(p, v, v)), a.Record(e))
	if wait {
		r.do(b.Wait(e))
	}
	r.do(b.Launch(r.plus, add(p, p, v)), b.Download(host, p))
	if err := b.Synchronize(); err != nil {
		return 0, err
	}
	return get(host), a.Synchronize()
}

func TestAnEventOrdersStreams(t *testing.T) {
	for seed := range uint64(seeds) {
		got, err := forgetful(newRig(t, Options{Seed: seed}), true)
		if err != nil || got != 60 {
			t.Errorf("seed %d: got %d, %v, expected 60", seed, got, err)
		}
	}
}

func TestAForgottenWaitIsARaceWhateverTheOrder(t *testing.T) {
	for seed := range uint64(seeds) {
		_, err := forgetful(newRig(t, Options{Seed: seed}), false)
		failing(t, err, "race with kernel plus (stream ")
	}
}

func TestAForgottenWaitGivesWrongDataForSomeOrder(t *testing.T) {
	got := map[int32]bool{}
	for seed := range uint64(seeds) {
		x, err := forgetful(newRig(t, Options{Seed: seed, IgnoreRaces: true}), false)
		if err != nil {
			t.Fatal(err)
		}
		got[x] = true
	}
	if !got[60] || !got[21] || len(got) < 2 {
		t.Errorf("got %v, expected 60 from some seeds and 21 from others", got)
	}
}

func TestAWaitRefersToTheLatestRecordBeforeIt(t *testing.T) {
	got := map[int32]bool{}
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		a, b, e, p, q := r.stream(), r.stream(), r.event(), r.words(0), r.words(0)
		r.do(
			b.Wait(e), e.Synchronize(), // never recorded
			a.Fill(p, 1, 1), a.Record(e), a.Fill(p, 2, 1), a.Record(e),
			b.Wait(e), b.Copy(q, p, 4),
		)
		if got := r.read(b, q); got != 2 {
			t.Errorf("seed %d: got %d, expected 2, the latest record", seed, got)
		}
		r = newRig(t, Options{Seed: seed, IgnoreRaces: true})
		a, b, e, p, q = r.stream(), r.stream(), r.event(), r.words(0), r.words(0)
		r.do(a.Fill(p, 1, 1), a.Record(e), b.Wait(e), a.Fill(p, 2, 1), a.Record(e), b.Copy(q, p, 4))
		got[r.read(b, q)] = true
	}
	if !got[1] || !got[2] || len(got) != 2 {
		t.Errorf("got %v, expected 1, from before the record that was waited for, or 2, from a later one", got)
	}
}

func TestWaitingForAnEventIsEnoughForTheHost(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		a, b, e, p, host := r.stream(), r.stream(), r.event(), r.words(3), r.pinned(0)
		r.do(a.Download(host, p), a.Record(e), e.Synchronize())
		if got := get(host); got != 3 {
			t.Fatalf("seed %d: got %d, expected 3", seed, got)
		}
		set(host, 4)
		r.do(b.Upload(p, host)) // ordered by the host, which waited for a
		if got := r.read(b, p); got != 4 {
			t.Errorf("seed %d: got %d, expected 4", seed, got)
		}
	}
}

func TestEventsOfOthersAreRefused(t *testing.T) {
	r, other := newRig(t, Options{}), newRig(t, Options{})
	s, e := r.stream(), r.event()
	failing(t, s.Record(other.event()), "Record: the event is not of this GPU")
	failing(t, s.Wait(other.event()), "Wait: the event is not of this GPU")
	r.do(e.Close())
	failing(t, s.Record(e), "the event is closed")
	failing(t, s.Wait(e), "the event is closed")
	failing(t, e.Synchronize(), "the event is closed")
	failing(t, e.Close(), "closed twice")
}
