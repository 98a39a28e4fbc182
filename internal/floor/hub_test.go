package floor

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"trainer/internal/floor/api"
)

// bare serves the events of a hub alone.
func bare(t *testing.T) (*Hub, string) {
	t.Helper()
	h := NewHub()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(h.Close)
	return h, s.Listener.Addr().String()
}

// reader opens a connection to the events and reads nothing of them.
func reader(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET /api/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	return c
}

func TestAMailboxKeepsTheNewestStepAndTheLastOfTheOthers(t *testing.T) {
	box := &mailbox{full: make(chan struct{}, 1)}
	for i := range 3 * maxWaiting {
		box.put(eventStep, fmt.Appendf(nil, "step %d", i))
		box.put(eventEvaluation, fmt.Appendf(nil, "evaluation %d", i))
		box.put(eventExample, fmt.Appendf(nil, "example %d", i))
	}
	var got []string
	for _, text := range box.take() {
		got = append(got, string(text))
	}
	last := 3*maxWaiting - 1
	if len(got) > maxWaiting || got[len(got)-1] != fmt.Sprint("example ", last) || got[len(got)-2] != fmt.Sprint("evaluation ", last) {
		t.Errorf("the mailbox has %d events, the last of which are %q", len(got), got[len(got)-2:])
	}
	steps := 0
	for _, text := range got {
		if strings.HasPrefix(text, "step") {
			steps++
		}
	}
	if steps != 1 || len(box.take()) != 0 {
		t.Errorf("%d steps were kept", steps)
	}
}

func TestAReaderWhoDoesNotReadIsDroppedAndNobodyWaits(t *testing.T) {
	h, address := bare(t)
	h.limit = time.Second
	slow := reader(t, address)
	slow.(*net.TCPConn).SetReadBuffer(1 << 10)
	eventually(t, "a reader", func() bool { return h.Readers() == 1 })
	big := api.Sample{Text: strings.Repeat("x", 1<<20)}
	begun, longest := time.Now(), time.Duration(0)
	for h.Readers() > 0 && time.Since(begun) < readerLimit {
		at := time.Now()
		h.Publish(eventSample, big)
		longest = max(longest, time.Since(at))
		time.Sleep(20 * time.Millisecond)
	}
	if h.Readers() != 0 {
		t.Error("the reader is still there")
	}
	if longest >= h.limit {
		t.Errorf("who published had to wait for %v", longest)
	}
}

func TestTwoHundredReadersGetEveryEventAndLeaveNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	h, address := bare(t)
	const readers = 200
	got := make(chan string, readers)
	for range readers {
		c := reader(t, address)
		go func() {
			lines := bufio.NewScanner(c)
			for lines.Scan() {
				if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					got <- data
				}
			}
			c.Close()
		}()
	}
	eventually(t, "all readers", func() bool { return h.Readers() == readers })
	h.Publish(eventEvaluation, api.Evaluation{Step: 7})
	for range readers {
		if text := <-got; !strings.Contains(text, `"step":7`) {
			t.Fatalf("a reader got %s", text)
		}
	}
	h.Close()
	eventually(t, "the end of all readers", func() bool { return h.Readers() == 0 })
	eventually(t, "the end of their goroutines", func() bool {
		http.DefaultClient.CloseIdleConnections()
		return runtime.NumGoroutine() < before+readers/4
	})
}

func TestAReaderTooManyIsRefused(t *testing.T) {
	h, _ := bare(t)
	for range maxReaders {
		if h.join() == nil {
			t.Fatal("a reader was refused early")
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/api/events", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	for box := range h.boxes {
		h.leave(box)
	}
}

func TestWhoJoinsLateIsToldTheState(t *testing.T) {
	h, address := bare(t)
	h.Publish(eventState, api.StateEvent{State: api.Paused, Step: 5})
	lines := bufio.NewScanner(reader(t, address))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") {
			if !strings.Contains(lines.Text(), `"paused"`) {
				t.Errorf("the first event is %s", lines.Text())
			}
			return
		}
	}
	t.Error("there is no event")
}

func TestPublishingForNobodyCostsNothing(t *testing.T) {
	h := NewHub()
	document := any(api.StepEvent{Step: 1})
	if n := testing.AllocsPerRun(100, func() { h.Publish(eventStep, document) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
