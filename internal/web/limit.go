package web

import (
	"net"
	"sync"
	"time"
)

// Limiter bounds a rate: so many events a second in the long run, and some more at once after a rest. It is a token bucket
// (https://en.wikipedia.org/wiki/Token_bucket), for any number of goroutines.
type Limiter struct {
	mutex sync.Mutex
	rate  float64 // a second
	burst float64
	room  float64 // events that may happen at the time last
	last  time.Time
}

// NewLimiter returns a limiter of a rate, which lets burst events happen at once.
func NewLimiter(rate float64, burst int) *Limiter {
	return &Limiter{rate: rate, burst: float64(burst), room: float64(burst), last: time.Now()}
}

// Allow says whether an event may happen now, and counts it if so.
func (l *Limiter) Allow() bool { return l.allow(time.Now()) }

func (l *Limiter) allow(now time.Time) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.room = min(l.burst, l.room+l.rate*now.Sub(l.last).Seconds())
	l.last = now
	if l.room < 1 {
		return false
	}
	l.room--
	return true
}

// maxConnections is how many connections a server has at once. Each costs some 10 KB; more of them wait in the system's queue.
const maxConnections = 512

// limitedListener accepts a connection when one of the earlier ones has ended, where there are as many as there may be.
type limitedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limitConnections(l net.Listener, most int) net.Listener {
	return &limitedListener{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its place free.
type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
