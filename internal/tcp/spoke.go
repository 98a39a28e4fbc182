package tcp

import (
	"encoding/json"
	"fmt"
	"io"

	"trainer/internal/collective"
	"trainer/internal/vm"
)

// spoke is a rank behind 0. One goroutine sends what it asks for, one takes the answers, in the same order.
type spoke struct {
	station
	hub     *link
	waiting chan *request // for an answer
}

var _ collective.Communicator = (*spoke)(nil)

func newSpoke(p Place, to *link, o Options) *spoke {
	s := &spoke{station: newStation(p.Rank, p.Size, o), hub: to, waiting: make(chan *request, mostUnderWay)}
	go s.write()
	go s.read()
	return s
}

func (s *spoke) write() {
	for {
		select {
		case r := <-s.asked:
			select {
			case s.waiting <- r:
			case <-s.over:
				r.result <- s.why()
				continue
			}
			if err := s.hub.send(r.kind, r.out); err != nil {
				s.lost(err)
			}
		case <-s.over:
			for {
				select {
				case r := <-s.asked:
					r.result <- s.why()
				case r := <-s.waiting:
					r.result <- s.why()
				default:
					return
				}
			}
		}
	}
}

func (s *spoke) read() {
	defer s.hub.Close()
	for {
		k, n, err := s.hub.next()
		if err != nil {
			s.lost(err)
			return
		}
		if k == ended {
			text, err := s.hub.short(n)
			var e ending
			if err == nil {
				err = json.Unmarshal(text, &e)
			}
			if err != nil {
				s.lost(err)
				return
			}
			s.end(e.error())
			return
		}
		var r *request
		select {
		case r = <-s.waiting:
		case <-s.over:
			return
		}
		if k != r.kind || n != len(r.in) {
			err = fmt.Errorf("rank 0 answers with %v of %d bytes to %v of %d", k, n, r.kind, len(r.in))
		} else {
			_, err = io.ReadFull(s.hub, r.in)
		}
		if err != nil {
			s.lost(err)
			r.result <- s.why()
			return
		}
		r.result <- nil
		if r.kind == leave {
			s.shut()
			return
		}
	}
}

// lost says that rank 0 is.
func (s *spoke) lost(err error) { s.end(&LostError{0, err.Error()}) }

// end says that another rank has ended the training, or is lost.
func (s *spoke) end(err error) {
	if s.fail(err) {
		s.tell()
	}
}

func (s *spoke) ReduceScatter(values []float32, bounds []int) collective.Request {
	r := s.request(reduceScatter, bounds, len(values))
	r.out, r.in = vm.Bytes(values), vm.Bytes(own(&s.station, values, bounds))
	return s.ask(r)
}

func (s *spoke) AllGather(data []byte, bounds []int) collective.Request {
	r := s.request(allGather, bounds, len(data))
	r.out, r.in = own(&s.station, data, bounds), data
	return s.ask(r)
}

func (s *spoke) Gather(part, _ []byte, bounds []int) collective.Request {
	r := s.request(gather, bounds, collective.UnknownLength)
	r.out = part
	return s.ask(r)
}

func (s *spoke) Broadcast(data []byte) collective.Request {
	r := s.request(broadcast, nil, 0)
	r.in = data
	return s.ask(r)
}

// Abort tells rank 0, which tells the others.
func (s *spoke) Abort(code int) {
	if s.fail(&collective.AbortedError{Rank: s.rank, Code: code}) {
		s.hub.send(ended, encode(ending{Rank: s.rank, Code: code})) // an error is a connection that tells rank 0 by its end
	}
}

func (s *spoke) Close() error { return s.ask(s.request(leave, nil, 0)).Wait() }
