package web

import (
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
