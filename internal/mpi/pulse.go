//go:build mpi && linux

package mpi

import (
	"fmt"
	"os"
	"time"

	"trainer/internal/collective"
	"trainer/internal/mpi/openmpi"
)

// pulse is how ranks know that others live. Rank 0 sends each of the others a byte now and then, and they send it one; so rank 0 watches all, and
// all watch rank 0. It is the thread that sends: a rank that computes for long, or waits for a disk, is alive.
//
// The last byte says that a rank closes. What is not received by then would be left in MPI.
type pulse struct {
	peers  []*peer
	every  time.Duration // between two bytes
	looked time.Time     // when this rank looked last
}

// peer is a rank that this one watches.
type peer struct {
	rank           int
	place          string // for people
	in, out        *byte
	coming, going  *openmpi.Request // nil when there is none
	heard, spoken  time.Time
	closes, closed bool // it has said that it closes; this rank has told it so
}

// The bytes.
const (
	alive   = 0
	closing = 1
)

// introduce tells the others who this is, and begins to watch them.
func (t *thread) introduce() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	places, err := collective.Exchange(t, fmt.Appendf(nil, "process %d on %s", os.Getpid(), host))
	if err != nil {
		return err
	}
	peers := []*peer{{rank: 0}}
	if t.rank == 0 {
		peers = nil
		for r := 1; r < t.size; r++ {
			peers = append(peers, &peer{rank: r})
		}
	}
	for _, p := range peers {
		p.place, p.in, p.out, p.heard = string(places[p.rank]), new(byte), new(byte), time.Now()
	}
	return t.ask(&operation{start: func() (*openmpi.Request, error) {
		t.pulse = pulse{peers: peers, every: min(t.options.Timeout/5, time.Second), looked: time.Now()}
		return openmpi.Broadcast(nil)
	}}).Wait()
}

// watch looks after the pulse.
func (t *thread) watch() {
	p := &t.pulse
	now := time.Now()
	if len(p.peers) == 0 || now.Sub(p.looked) < p.every/5 && !t.closing() {
		return
	}
	if now.Sub(p.looked) > t.options.Timeout/2 { // this process has been stopped itself, and all others may have been
		for _, q := range p.peers {
			q.heard = now
		}
	}
	p.looked = now
	for _, q := range p.peers {
		if err := q.exchange(now, p.every, t.closing()); err != nil {
			t.fail(err)
			return
		}
	}
	for _, q := range p.peers {
		// Of those who watch rank 0 the first one speaks, or the next where that is gone too.
		patience := t.options.Timeout + time.Duration(max(0, t.rank-1))*p.every
		if !q.closes && now.Sub(q.heard) > patience {
			t.options.Lost(&LostError{Rank: q.rank, Place: q.place, After: now.Sub(q.heard)})
			openmpi.Abort(1)
		}
	}
}

// closing says that this rank waits for the others to close.
func (t *thread) closing() bool { return len(t.under) == 1 && t.under[0].last }

// exchange sends what is due, and takes what has come.
func (q *peer) exchange(now time.Time, every time.Duration, close bool) error {
	var err error
	if q.coming == nil && !q.closes {
		if q.coming, err = openmpi.Receive(q.in, q.rank); err != nil {
			return err
		}
	}
	if q.coming != nil {
		ended, err := q.coming.Test()
		if err != nil {
			return err
		}
		if ended {
			q.coming, q.heard, q.closes = nil, now, *q.in == closing
		}
	}
	if q.going != nil {
		ended, err := q.going.Test()
		if err != nil {
			return err
		}
		if ended {
			q.going = nil
		}
	}
	if q.going == nil && !q.closed && (close || now.Sub(q.spoken) > every) {
		*q.out = alive
		if close {
			*q.out, q.closed = closing, true
		}
		q.spoken = now
		q.going, err = openmpi.Send(q.out, q.rank)
	}
	return err
}

// over says that all peers have said that they close, and have been told the same.
func (p *pulse) over() bool {
	for _, q := range p.peers {
		if !q.closes || !q.closed || q.coming != nil || q.going != nil {
			return false
		}
	}
	return true
}
