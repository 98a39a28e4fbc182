package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAHeadThatNeverEndsIsCutOff(t *testing.T) {
	s := listen(t)
	defer s.Close()
	c, err := net.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\n")
	sent := 0
	for i := 0; ; i++ {
		n, err := fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("x", 1000))
		if sent += n; err != nil || sent > 1<<20 {
			break
		}
	}
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d after %d bytes of headers", r.StatusCode, sent)
	}
	if r, err := http.Get("http://" + s.Address); err != nil || r.StatusCode != 200 {
		t.Errorf("the server does not answer others: %v", err)
	}
}

func TestAConnectionTooManyWaitsForAnotherToEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(hello)
	s.Listener.Close()
	s.Listener = limitConnections(l, 2)
	s.Start()
	defer s.Close()
	var held []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	answered := make(chan string)
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		text, _ := io.ReadAll(c)
		answered <- string(text)
	}()
	select {
	case text := <-answered:
		t.Fatalf("a third connection is served: %s", text)
	case <-time.After(50 * time.Millisecond):
	}
	held[0].Close()
	defer held[1].Close()
	select {
	case text := <-answered:
		if !strings.HasSuffix(text, "hello") {
			t.Errorf("the answer is %q", text)
		}
	case <-time.After(5 * time.Second):
		t.Error("a place that is free is not taken")
	}
}

func TestTheURLCanBeOpened(t *testing.T) {
	l, err := Listen("0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, hello)
	defer s.Close()
	r, err := http.Get(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if host, _, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/")); host == "0.0.0.0" || host == "::" {
		t.Errorf("the URL is %s, which names no machine", s.URL())
	}
}
