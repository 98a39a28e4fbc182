package emulated

import (
	"bytes"
	"slices"
	"testing"

	"trainer/internal/cuda/driver"
	"trainer/internal/ptx"
)

func TestNothingRunsBeforeItIsWaitedFor(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		s, p, q := r.stream(), r.allocate(4), r.allocate(4)
		from, to := r.pinned(20), r.pinned(0)
		r.do(s.Upload(p, from), s.Fill(q, 1, 1), s.Launch(r.plus, add(q, p, q)), s.Copy(p, q, 4), s.Download(to, p))
		if err := r.gpu.CopyOut(make([]byte, 4), ptx.Address(p)); err == nil {
			t.Fatal("the upload ran before anybody waited")
		}
		r.do(s.Synchronize())
		if got := get(to); got != 21 {
			t.Errorf("seed %d: got %d, expected 21", seed, got)
		}
	}
}

func TestWorkThatNobodyWaitsForRunsNotAtAllInPartOrFirst(t *testing.T) {
	const others = 30 // enough that no draw of anyNext runs none of them or all
	none, some, all := false, false, false
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		s, other, p, q := r.stream(), r.stream(), r.allocate(4), r.allocate(4*others)
		for i := range others {
			r.do(other.Fill(q+driver.Pointer(4*i), 1, 1))
		}
		for range others {
			r.do(s.Fill(p, 1, 1))
		}
		r.do(s.Synchronize())
		ran := func(i int) bool { return r.gpu.CopyOut(make([]byte, 4), ptx.Address(q)+ptx.Address(4*i)) == nil }
		switch {
		case !ran(0):
			none = true
		case !ran(others - 1):
			some = true
		default:
			all = true
		}
	}
	if !none || !some || !all {
		t.Errorf("of work that nobody waited for, some seed ran none: %v, a part: %v, all: %v", none, some, all)
	}
}

func TestTheSameSeedRunsTheSameOrder(t *testing.T) {
	order := func(seed uint64) []int32 {
		r := newRig(t, Options{Seed: seed, IgnoreRaces: true})
		p, last := r.words(0, 0, 0), r.stream()
		var got []int32
		for i := range 3 {
			s, e, v := r.stream(), r.event(), r.words(int32(i+1))
			r.do(s.Launch(r.plus, add(p, p, p)), s.Launch(r.plus, add(p, p, v)), s.Record(e), last.Wait(e))
		}
		got = append(got, r.read(last, p))
		return got
	}
	different := false
	for seed := range uint64(seeds) {
		if !slices.Equal(order(seed), order(seed)) {
			t.Errorf("seed %d gives two orders", seed)
		}
		different = different || !slices.Equal(order(seed), order(seed+1))
	}
	if !different {
		t.Error("all seeds give one order")
	}
}

func TestAnUploadFindsHostMemoryThatWasChangedTooEarly(t *testing.T) {
	r := newRig(t, Options{})
	s, p, host := r.stream(), r.allocate(4), r.pinned(1)
	r.do(s.Upload(p, host))
	set(host, 2)
	failing(t, s.Synchronize(), "upload of 4 bytes to 0x1000000000 (stream 0, work 0): host memory was changed while the copy was queued")

	r = newRig(t, Options{})
	s, e := r.stream(), r.event()
	p, host = r.allocate(4), r.pinned(1)
	r.do(s.Upload(p, host), s.Record(e), s.Upload(p, host), e.Synchronize()) // the host waits for the first of two
	set(host, 2)
	failing(t, s.Synchronize(), "(stream 0, work 2): host memory was changed")
}

func TestADownloadIsNaNUntilItIsWaitedFor(t *testing.T) {
	r := newRig(t, Options{})
	s, p, host := r.stream(), r.words(5), r.pinned(5)
	r.do(s.Download(host, p))
	if !bytes.Equal(host, []byte{0xa5, 0xff, 0xa5, 0xff}) {
		t.Errorf("the host reads % x before it waited", host)
	}
	r.do(s.Synchronize())
	if got := get(host); got != 5 {
		t.Errorf("got %d, expected 5", got)
	}
	r.do(s.Download(host, p))
	set(host, 6)
	failing(t, s.Synchronize(), "host memory was changed while the copy was queued")
}

func TestHostMemoryMayServeSeveralQueuedCopies(t *testing.T) {
	for seed := range uint64(seeds) {
		r := newRig(t, Options{Seed: seed})
		s, p, q, host := r.stream(), r.words(5), r.words(6), r.pinned(1)
		r.do(s.Upload(p, host), s.Download(host, q), s.Upload(p, host), s.Download(host, p), s.Synchronize())
		if got := get(host); got != 6 {
			t.Errorf("seed %d: got %d, expected 6", seed, got)
		}
	}
}

func TestHostMemoryHoldsNoValuesBeforeAndAfter(t *testing.T) {
	r := newRig(t, Options{})
	host := must(r, func() ([]byte, error) { return r.AllocateHost(6) })
	want := []byte{0xa5, 0xff, 0xa5, 0xff, 0xa5, 0xff}
	if !bytes.Equal(host, want) {
		t.Errorf("new host memory holds % x", host)
	}
	clear(host)
	r.do(r.FreeHost(host))
	if !bytes.Equal(host, want) {
		t.Errorf("freed host memory holds % x", host)
	}
}

func TestSlicesOverlapWhereTheyShareAByte(t *testing.T) {
	b := make([]byte, 9)
	for _, test := range []struct {
		x, y []byte
		want bool
	}{{b[:4], b[4:], false}, {b[:5], b[4:], true}, {b, b[3:4], true}, {b[:4], b[5:], false}} {
		if overlap(test.x, test.y) != test.want || overlap(test.y, test.x) != test.want {
			t.Errorf("%d and %d of 9 bytes: expected that they overlap: %v", len(test.x), len(test.y), test.want)
		}
	}
}

func TestCopiesAreRefusedWhenTheyAreQueued(t *testing.T) {
	r := newRig(t, Options{})
	s, p, host := r.stream(), r.words(1, 2, 3), r.pinned(1, 2, 3, 4)
	freed := r.pinned(1)
	r.do(r.FreeHost(freed))
	_, size := r.AllocateHost(0)
	for want, err := range map[string]error{
		"upload of 4 bytes to 0x1000000000: the 4 bytes of the host are not page-locked": s.Upload(p, make([]byte, 4)),
		"or they were freed":       s.Upload(p, freed),
		"from 0x1000000000: the 4": s.Download(make([]byte, 4), p),
		"no bytes":                 s.Upload(p, host[:0]),
		"do not fit":               s.Upload(p, host),
		"16 bytes from":            s.Download(host, p),
		"no overlap":               s.Copy(p, p+4, 8),
		"copy of 12 bytes":         s.Copy(p, p+12, 12),
		"at least 1 byte":          s.Copy(p, p+4, 0),
		"fill of 4 words":          s.Fill(p, 0, 4),
		"a multiple of 4":          s.Fill(p+2, 0, 1),
		"fill of 0 words":          s.Fill(p, 0, 0),
		"host memory: at least 1":  size,
		"did not return them":      r.FreeHost(host[4:]),
	} {
		failing(t, err, want)
	}
	r.do(s.Copy(p, p+4, 4), s.Upload(p, host[4:8]), s.Synchronize())
}

func TestAClosedStreamTakesNoWorkAndEndsItsOwn(t *testing.T) {
	r := newRig(t, Options{})
	s, e, p := r.stream(), r.event(), r.allocate(4)
	r.do(s.Fill(p, 7, 1), s.Record(e), s.Close())
	failing(t, s.Fill(p, 8, 1), "stream 0 is closed")
	failing(t, s.Synchronize(), "stream 0 is closed")
	r.do(e.Synchronize())
	if got := r.read(r.stream(), p); got != 7 {
		t.Errorf("got %d, expected 7", got)
	}
}
