package floor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The events.
const (
	eventStep       = "step"       // api.StepEvent
	eventExample    = "example"    // api.Trace
	eventEvaluation = "evaluation" // api.Evaluation
	eventSample     = "sample"     // api.Sample
	eventCheckpoint = "checkpoint" // api.Checkpoint
	eventState      = "state"      // api.StateEvent
)

// replaced are the events of which only the newest counts: a page that is slow to read misses the others.
var replaced = map[string]bool{eventStep: true, eventExample: true, eventState: true}

// Limits of the events' readers.
const (
	maxReaders   = 256              // at the same time
	maxWaiting   = 64               // events for one of them, besides those that are replaced
	readerLimit  = 5 * time.Second  // for an event to be taken; then the reader is dropped
	heartbeat    = 15 * time.Second // between signs of life, by which a reader that has gone is noticed
	farewellTime = time.Second      // for readers to take the last events
)

// Hub sends events to all pages, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). Whoever publishes
// never waits for a reader: each has a mailbox of its own, in which newer events take the place of older ones.
type Hub struct {
	readers atomic.Int32 // len(boxes), to be asked without waiting
	mutex   sync.Mutex
	boxes   map[*mailbox]bool
	limit   time.Duration // readerLimit
	state   []byte        // the last event of that kind, with which each reader begins
	closed  chan struct{} // by Close
	last    sync.WaitGroup
}

// NewHub returns a hub without readers.
func NewHub() *Hub {
	return &Hub{boxes: make(map[*mailbox]bool), limit: readerLimit, closed: make(chan struct{})}
}

// Readers is the number of pages that listen.
func (h *Hub) Readers() int { return int(h.readers.Load()) }

// Publish sends an event, a document of package api.
func (h *Hub) Publish(event string, document any) {
	if h.Readers() == 0 && event != eventState {
		return
	}
	data, err := json.Marshal(document)
	if err != nil {
		panic(fmt.Sprintf("floor: event %s: %v", event, err)) // documents of package api are JSON, whatever they hold
	}
	text := fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, data)
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if event == eventState {
		h.state = text
	}
	for box := range h.boxes {
		box.put(event, text)
	}
}

// Close sends readers what waits for them, and ends them. Publish may still be called.
func (h *Hub) Close() {
	h.mutex.Lock()
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
	h.mutex.Unlock()
	gone := make(chan struct{})
	go func() { h.last.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(farewellTime):
	}
}

// join adds a reader; nil when there are too many, or no more events.
func (h *Hub) join() *mailbox {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	select {
	case <-h.closed:
		return nil
	default:
	}
	if len(h.boxes) >= maxReaders {
		return nil
	}
	box := &mailbox{full: make(chan struct{}, 1)}
	if h.state != nil {
		box.put(eventState, h.state)
	}
	h.boxes[box] = true
	h.readers.Store(int32(len(h.boxes)))
	h.last.Add(1)
	return box
}

func (h *Hub) leave(box *mailbox) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.boxes, box)
	h.readers.Store(int32(len(h.boxes)))
	h.last.Done()
}

// ServeHTTP sends the events to one reader until it goes, is too slow, or the hub is closed.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	box := h.join()
	if box == nil {
		fail(w, refuse(http.StatusServiceUnavailable, "%d pages are open already: close some", maxReaders))
		return
	}
	defer h.leave(box)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	h.send(r.Context(), w, box)
}

// send writes the events of a mailbox as they come.
func (h *Hub) send(ctx context.Context, w http.ResponseWriter, box *mailbox) {
	out := http.NewResponseController(w)
	write := func(text []byte) bool {
		// An error is that of a reader who has gone, or does not read: there is nobody to tell.
		if out.SetWriteDeadline(time.Now().Add(h.limit)) != nil {
			return false
		}
		if _, err := w.Write(text); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !write([]byte("retry: 1000\n\n")) {
		return
	}
	alive := time.NewTicker(heartbeat)
	defer alive.Stop()
	for ending := false; !ending; {
		sign := false
		select {
		case <-ctx.Done():
			return
		case <-h.closed:
			ending = true
		case <-alive.C:
			sign = true
		case <-box.full:
		}
		if sign && !write([]byte(":\n\n")) {
			return
		}
		for _, text := range box.take() {
			if !write(text) {
				return
			}
		}
	}
}

// mailbox holds events for a reader.
type mailbox struct {
	mutex  sync.Mutex
	events []waiting // oldest first
	full   chan struct{}
}

type waiting struct {
	event string
	text  []byte
}

// put adds an event, in place of an older one where only the newest counts, or where too many wait.
func (m *mailbox) put(event string, text []byte) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	drop := -1
	for i := range m.events {
		if replaced[event] && m.events[i].event == event {
			drop = i
			break
		}
	}
	if drop < 0 && len(m.events) >= maxWaiting {
		drop = 0
	}
	if drop >= 0 {
		m.events = append(m.events[:drop], m.events[drop+1:]...)
	}
	m.events = append(m.events, waiting{event, text})
	select {
	case m.full <- struct{}{}:
	default:
	}
}

// take empties the mailbox.
func (m *mailbox) take() [][]byte {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var texts [][]byte
	for _, e := range m.events {
		texts = append(texts, e.text)
	}
	m.events = m.events[:0]
	return texts
}
