package tcp

import (
	"errors"
	"sync"

	"trainer/internal/collective"
)

// request is an operation under way: what this rank sends, and where the answer goes.
type request struct {
	kind   kind
	values []float32 // of a sum
	out    []byte    // what another rank than 0 sends
	in     []byte    // where the answer of rank 0 goes
	bounds []int
	part   []byte // on rank 0, of Gather
	result chan error
}

// Wait implements collective.Request.
func (r *request) Wait() error { return <-r.result }

// mostUnderWay is how many operations are under way before a call waits.
const mostUnderWay = 256

// station is what rank 0 and the others have in common.
type station struct {
	rank, size int
	options    Options
	asked      chan *request
	mutex      sync.Mutex
	failed     error // for good
	closing    bool
	over       chan struct{} // closed when failed is set, or all have closed
}

func newStation(rank, size int, o Options) station {
	return station{rank: rank, size: size, options: o, asked: make(chan *request, mostUnderWay), over: make(chan struct{})}
}

func (s *station) Rank() int { return s.rank }
func (s *station) Size() int { return s.size }

// errClosed is of what is asked for behind Close.
var errClosed = errors.New("tcp: the communicator is closed")

// fail ends everything, and says whether it is this call that did. Behind Close nothing fails.
func (s *station) fail(err error) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	first := s.failed == nil && !s.closing
	if first {
		s.failed = err
		close(s.over)
	}
	return first
}

// tell tells this process of the end.
func (s *station) tell() {
	if s.options.Ended != nil {
		s.options.Ended(s.why())
	}
}

// why is the error of an operation that did not come to its end.
func (s *station) why() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.failed != nil {
		return s.failed
	}
	return errClosed
}

// shut says that all ranks have closed.
func (s *station) shut() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.failed == nil && !s.closing {
		s.closing = true
		close(s.over)
	}
}

// ask begins an operation.
func (s *station) ask(r *request) collective.Request {
	select {
	case s.asked <- r:
	case <-s.over:
		r.result <- s.why()
		return r
	}
	select {
	case <-s.over: // who takes what is asked for may have gone meanwhile
		select {
		case r := <-s.asked:
			r.result <- s.why()
		default:
		}
	default:
	}
	return r
}

// request makes a request of this rank, whose bounds, if it has any, are of so many elements.
func (s *station) request(k kind, bounds []int, length int) *request {
	if bounds != nil {
		collective.CheckBounds(k.String(), s.size, length, bounds)
	}
	return &request{kind: k, bounds: bounds, result: make(chan error, 1)}
}

// own is this rank's part of something.
func own[T any](s *station, data []T, bounds []int) []T { return data[bounds[s.rank]:bounds[s.rank+1]] }
