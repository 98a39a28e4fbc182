package tcp

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"trainer/internal/collective"
	"trainer/internal/cpu/kernel"
	"trainer/internal/vm"
)

// hub is rank 0. A goroutine for each of the others takes what it sends; one carries operations out.
type hub struct {
	station
	links []*link      // by rank; nil for 0
	sent  []chan frame // by rank
}

var _ collective.Communicator = (*hub)(nil)

// frame is a rank's part of an operation.
type frame struct {
	kind kind
	data []byte
}

func newHub(links []*link, o Options) *hub {
	h := &hub{station: newStation(0, len(links), o), links: links, sent: make([]chan frame, len(links))}
	for r := 1; r < len(links); r++ {
		h.sent[r] = make(chan frame, 1)
		go h.read(r)
	}
	go h.serve()
	return h
}

// read takes what a rank sends.
func (h *hub) read(rank int) {
	from := h.links[rank]
	for {
		k, n, err := from.next()
		if err != nil {
			h.end(ending{Rank: rank, Lost: err.Error()}, true)
			return
		}
		data, err := from.body(n)
		if err != nil {
			h.end(ending{Rank: rank, Lost: err.Error()}, true)
			return
		}
		if k == ended {
			e := ending{Rank: rank, Code: 1}
			if err := json.Unmarshal(data, &e); err != nil {
				e.Lost = err.Error()
			}
			h.end(e, true)
			return
		}
		select {
		case h.sent[rank] <- frame{k, data}:
		case <-h.over:
			return
		}
	}
}

// end tells all ranks how the training has ended, and this process with tell.
func (h *hub) end(e ending, tell bool) {
	if !h.fail(e.error()) {
		return
	}
	const patience = 2 * time.Second
	var all sync.WaitGroup
	for _, to := range h.links[1:] {
		to.SetWriteDeadline(time.Now().Add(patience)) // one that is lost takes nothing
		all.Go(func() {
			to.send(ended, encode(e))
			to.Close()
		})
	}
	all.Wait()
	if tell {
		h.tell()
	}
}

// serve carries operations out.
func (h *hub) serve() {
	for {
		select {
		case r := <-h.asked:
			h.carryOut(r)
		case <-h.over:
			for {
				select {
				case r := <-h.asked:
					r.result <- h.why()
				default:
					return
				}
			}
		}
	}
}

// carryOut does an operation when all ranks have sent their parts.
func (h *hub) carryOut(r *request) {
	parts := make([][]byte, h.size)
	for rank := 1; rank < h.size; rank++ {
		select {
		case f := <-h.sent[rank]:
			if want := r.expects(rank); f.kind != r.kind || len(f.data) != want {
				h.end(ending{Rank: rank, Lost: fmt.Sprintf("it asks for %v with %d bytes, and rank 0 for %v with %d", f.kind, len(f.data), r.kind, want)}, true)
			}
			parts[rank] = f.data
		case <-h.over:
		}
		select {
		case <-h.over:
			r.result <- h.why()
			return
		default:
		}
	}
	if r.kind == leave {
		h.shut() // ahead of the answers, behind which the others are gone
		for _, to := range h.links[1:] {
			defer to.Close()
		}
	}
	answers := r.answers(parts)
	for rank := 1; rank < h.size; rank++ {
		if err := h.links[rank].send(r.kind, answers[rank]); err != nil {
			h.end(ending{Rank: rank, Lost: err.Error()}, true)
			r.result <- h.why()
			return
		}
	}
	r.result <- nil
}

// expects is how many bytes a rank sends.
func (r *request) expects(rank int) int {
	switch r.kind {
	case reduceScatter:
		return 4 * len(r.values)
	case allGather, gather:
		return r.bounds[rank+1] - r.bounds[rank]
	}
	return 0
}

// answers brings the parts of all ranks together, and returns what each is told. Rank 0 has its own part where it asked for it.
func (r *request) answers(parts [][]byte) [][]byte {
	size := len(parts)
	answers := make([][]byte, size)
	switch r.kind {
	case reduceScatter:
		add := kernel.Best().Add
		all := make([][]float32, size)
		all[0] = r.values
		for rank := 1; rank < size; rank++ {
			all[rank] = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(parts[rank]))), len(parts[rank])/4)
		}
		for rank := range size {
			from, to := r.bounds[rank], r.bounds[rank+1]
			sum := make([]float32, to-from)
			copy(sum, all[0][from:to])
			for other := 1; other < size; other++ {
				add(sum, sum, all[other][from:to])
			}
			if rank == 0 {
				copy(r.values[from:to], sum)
			} else {
				answers[rank] = vm.Bytes(sum)
			}
		}
	case allGather:
		for rank := 1; rank < size; rank++ {
			copy(r.in[r.bounds[rank]:], parts[rank])
			answers[rank] = r.in
		}
	case gather:
		copy(r.in, r.part)
		for rank := 1; rank < size; rank++ {
			copy(r.in[r.bounds[rank]:], parts[rank])
		}
	case broadcast:
		for rank := 1; rank < size; rank++ {
			answers[rank] = r.in
		}
	}
	return answers
}

func (h *hub) ReduceScatter(values []float32, bounds []int) collective.Request {
	r := h.request(reduceScatter, bounds, len(values))
	r.values = values
	return h.ask(r)
}

func (h *hub) AllGather(data []byte, bounds []int) collective.Request {
	r := h.request(allGather, bounds, len(data))
	r.in = data
	return h.ask(r)
}

func (h *hub) Gather(part, whole []byte, bounds []int) collective.Request {
	r := h.request(gather, bounds, len(whole))
	r.part, r.in = part, whole
	return h.ask(r)
}

func (h *hub) Broadcast(data []byte) collective.Request {
	r := h.request(broadcast, nil, 0)
	r.in = data
	return h.ask(r)
}

func (h *hub) Abort(code int) { h.end(ending{Code: code}, false) }

func (h *hub) Close() error { return h.ask(h.request(leave, nil, 0)).Wait() }
