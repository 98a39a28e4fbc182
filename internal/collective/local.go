package collective

import (
	"fmt"
	"slices"
	"sync"
)

// Local returns communicators that connect goroutines of one process, one for each of size ranks. An operation is carried out by the last
// rank that calls it. Ranks that call different operations panic.
func Local(size int) []Communicator {
	g := &group{size: size, meetings: make(map[int]*meeting), aborted: make(chan struct{})}
	list := make([]Communicator, size)
	for r := range list {
		list[r] = &local{group: g, rank: r}
	}
	return list
}

// local is a rank of a group.
type local struct {
	*group
	rank  int
	calls int // so far
}

var _ Communicator = (*local)(nil)

// group is what the ranks share.
type group struct {
	size     int
	mutex    sync.Mutex
	meetings map[int]*meeting // by the number of the call
	aborted  chan struct{}    // closed by Abort
	why      AbortedError
}

// meeting is one operation of all ranks.
type meeting struct {
	calls []*call // by rank, nil before it has called
	ended chan struct{}
}

// call is a rank's part of an operation.
type call struct {
	operation   string
	values      []float32
	part, whole []byte
	bounds      []int
}

// carryOut does the operation, once every rank has called it.
var carryOut = map[string]func(calls []*call){
	"ReduceScatter": func(calls []*call) {
		for r, c := range calls {
			from, to := c.bounds[r], c.bounds[r+1]
			sum := slices.Clone(calls[0].values[from:to])
			for _, other := range calls[1:] {
				for i, v := range other.values[from:to] {
					sum[i] += v
				}
			}
			defer copy(c.values[from:to], sum) // when all have been read
		}
	},
	"AllGather": func(calls []*call) {
		for from, c := range calls {
			for _, to := range calls {
				copy(to.part[c.bounds[from]:c.bounds[from+1]], c.part[c.bounds[from]:])
			}
		}
	},
	"Gather": func(calls []*call) {
		for r, c := range calls {
			copy(calls[0].whole[c.bounds[r]:c.bounds[r+1]], c.part)
		}
	},
	"Broadcast": func(calls []*call) {
		for _, c := range calls[1:] {
			copy(c.part, calls[0].part)
		}
	},
	"Close": func([]*call) {},
}

// meet begins an operation.
func (l *local) meet(c *call) Request {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	m := l.meetings[l.calls]
	if m == nil {
		m = &meeting{calls: make([]*call, l.size), ended: make(chan struct{})}
		l.meetings[l.calls] = m
	}
	m.calls[l.rank] = c
	arrived := 0
	for r, other := range m.calls {
		if other == nil {
			continue
		}
		arrived++
		if other.operation != c.operation || !slices.Equal(other.bounds, c.bounds) {
			panic(fmt.Sprintf("collective: in call %d rank %d asks for %s %v, and rank %d for %s %v",
				l.calls, l.rank, c.operation, c.bounds, r, other.operation, other.bounds))
		}
	}
	if arrived == l.size {
		delete(l.meetings, l.calls)
		carryOut[c.operation](m.calls)
		close(m.ended)
	}
	l.calls++
	return &attendance{l.group, m}
}

// attendance is a rank's Request.
type attendance struct {
	group   *group
	meeting *meeting
}

func (a *attendance) Wait() error {
	select {
	case <-a.meeting.ended:
		return nil
	case <-a.group.aborted:
		return &a.group.why
	}
}

func (l *local) Rank() int { return l.rank }
func (l *local) Size() int { return l.size }

func (l *local) ReduceScatter(values []float32, bounds []int) Request {
	CheckBounds("ReduceScatter", l.size, len(values), bounds)
	return l.meet(&call{operation: "ReduceScatter", values: values, bounds: bounds})
}

func (l *local) AllGather(data []byte, bounds []int) Request {
	CheckBounds("AllGather", l.size, len(data), bounds)
	return l.meet(&call{operation: "AllGather", part: data, bounds: bounds})
}

func (l *local) Gather(part, whole []byte, bounds []int) Request {
	length := UnknownLength
	if l.rank == 0 {
		length = len(whole)
	}
	CheckBounds("Gather", l.size, length, bounds)
	return l.meet(&call{operation: "Gather", part: part, whole: whole, bounds: bounds})
}

func (l *local) Broadcast(data []byte) Request {
	return l.meet(&call{operation: "Broadcast", part: data})
}

// Abort fails all operations that wait or come.
func (l *local) Abort(code int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.why.Code == 0 {
		l.why = AbortedError{l.rank, code}
		close(l.aborted)
	}
}

func (l *local) Close() error { return l.meet(&call{operation: "Close"}).Wait() }
