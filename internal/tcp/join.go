package tcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"trainer/internal/collective"
)

// greeting is who a rank is.
type greeting struct {
	Program    string
	Rank, Size int
}

const program = "trainer"

// ending is how a training has ended for all, or why it has not begun.
type ending struct {
	Rank, Code int
	Lost       string // why the rank is lost; empty where it has called Abort
	Missing    string // which ranks have not come
}

func (e *ending) error() error {
	switch {
	case e.Missing != "":
		return errors.New(e.Missing)
	case e.Lost != "":
		return &LostError{e.Rank, e.Lost}
	}
	return &collective.AbortedError{Rank: e.Rank, Code: e.Code}
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// Join connects this process with the others of its place: all of them call it, and wait for all to come.
func Join(p Place, o Options) (collective.Communicator, error) {
	if p.Rank > 0 {
		return Follow(p, o)
	}
	_, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return nil, fmt.Errorf("rank 0 of %d cannot listen on port %s of MASTER_PORT: %w", p.Size, port, err)
	}
	return Lead(l, p.Size, o)
}

// Lead is Join of rank 0, where it listens already. It closes the listener.
func Lead(l net.Listener, size int, o Options) (collective.Communicator, error) {
	defer l.Close()
	links := make([]*link, size)
	until := time.Now().Add(o.Timeout)
	err := accept(l, links, until, o.Timeout)
	for _, to := range links[1:] {
		if to == nil {
			continue
		}
		if err == nil {
			err = to.send(welcome, nil)
		} else {
			err = errors.Join(err, to.send(ended, encode(ending{Missing: err.Error()})))
			to.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	return newHub(links, o), nil
}

// accept waits for all ranks. A connection that does not greet as one is closed.
func accept(l net.Listener, links []*link, until time.Time, timeout time.Duration) error {
	if t, ok := l.(*net.TCPListener); ok {
		t.SetDeadline(until)
	}
	for missing := len(links) - 1; missing > 0; {
		c, err := l.Accept()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%s of %d did not come to %s within %v: see whether each was started, and reaches that address",
				absent(links), len(links), l.Addr(), timeout)
		}
		if err != nil {
			return fmt.Errorf("waiting for %s of %d: %w", absent(links), len(links), err)
		}
		to := newLink(c, timeout)
		g, ok := to.greeted(until)
		switch {
		case !ok:
			c.Close()
			continue
		case g.Size != len(links) || g.Rank < 1 || g.Rank >= len(links):
			c.Close()
			return fmt.Errorf("a process at %s says that it is rank %d of %d, expected one of %d: see WORLD_SIZE and RANK",
				c.RemoteAddr(), g.Rank, g.Size, len(links))
		case links[g.Rank] != nil:
			c.Close()
			return fmt.Errorf("processes at %s and %s both say that they are rank %d of %d: see RANK", links[g.Rank].RemoteAddr(), c.RemoteAddr(),
				g.Rank, g.Size)
		}
		links[g.Rank] = to
		missing--
	}
	return nil
}

// greeted reads who is there. Who says nothing of the kind within a second is no rank.
func (l *link) greeted(until time.Time) (g greeting, ok bool) {
	soon := time.Now().Add(time.Second)
	if until.Before(soon) {
		soon = until
	}
	l.SetReadDeadline(soon)
	defer l.SetReadDeadline(time.Time{})
	k, n, err := l.next()
	if err != nil || k != hello {
		return g, false
	}
	text, err := l.short(n)
	return g, err == nil && json.Unmarshal(text, &g) == nil && g.Program == program
}

// absent names the ranks that are not there: "rank 2", "ranks 1 and 3".
func absent(links []*link) string {
	var list []string
	for r, l := range links {
		if r > 0 && l == nil {
			list = append(list, fmt.Sprint(r))
		}
	}
	if n := len(list) - 1; n > 0 {
		return "ranks " + strings.Join(list[:n], ", ") + " and " + list[n]
	}
	return "rank " + list[0]
}

// Follow is Join of a rank behind 0.
func Follow(p Place, o Options) (collective.Communicator, error) {
	until := time.Now().Add(o.Timeout)
	c, err := dial(p, until)
	if err != nil {
		return nil, fmt.Errorf("rank %d of %d: rank 0 does not answer at %s within %v (%w): see whether it was started, and MASTER_ADDR",
			p.Rank, p.Size, p.Address, o.Timeout, err)
	}
	to := newLink(c, o.Timeout)
	if err := to.enter(p, until); err != nil {
		c.Close()
		return nil, fmt.Errorf("rank %d of %d, at rank 0 at %s: %w", p.Rank, p.Size, p.Address, err)
	}
	return newSpoke(p, to, o), nil
}

// dial tries again until rank 0 listens.
func dial(p Place, until time.Time) (net.Conn, error) {
	const pause = 50 * time.Millisecond
	for {
		d := net.Dialer{Deadline: until}
		c, err := d.Dial("tcp", p.Address)
		if err == nil || time.Now().Add(pause).After(until) {
			return c, err
		}
		time.Sleep(pause)
	}
}

// enter says who this is, and waits for the others.
func (l *link) enter(p Place, until time.Time) error {
	const grace = 2 * time.Second // for rank 0 to say first who is missing
	l.SetReadDeadline(until.Add(grace))
	defer l.SetReadDeadline(time.Time{})
	if err := l.send(hello, encode(greeting{program, p.Rank, p.Size})); err != nil {
		return err
	}
	k, n, err := l.next()
	switch {
	case err != nil:
		return fmt.Errorf("waiting for the other ranks: %w", err)
	case k == welcome:
		return nil
	case k != ended:
		return fmt.Errorf("expected to be welcomed, and %v came: is it a trainer of the same version?", k)
	}
	text, err := l.short(n)
	if err != nil {
		return err
	}
	var e ending
	if err := json.Unmarshal(text, &e); err != nil {
		return err
	}
	return e.error()
}
