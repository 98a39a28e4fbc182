package web

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"trainer/internal/fault"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

// listen serves hello at the address ":0".
func listen(t *testing.T) *Server {
	t.Helper()
	address, err := Address(":0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	return Serve(l, hello)
}

func TestWithoutAHostItIsTheLoopbackAddress(t *testing.T) {
	s := listen(t)
	if host, port, err := net.SplitHostPort(s.Address); host != "127.0.0.1" || port == "0" || err != nil {
		t.Errorf("it listens on %s, want a port of 127.0.0.1", s.Address)
	}
	r, err := http.Get("http://" + s.Address)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	if string(text) != "hello" || err != nil {
		t.Errorf("answer %q, %v", text, err)
	}
	if _, err := Listen(s.Address); err == nil || !strings.Contains(err.Error(), "cannot listen on "+s.Address) {
		t.Errorf("a second server: %v, want an error that names the address", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", s.Address, time.Second); err == nil {
		t.Error("it answers after its end")
	}
}

func TestAnAddressHasAPort(t *testing.T) {
	for text, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:80": "0.0.0.0:80", "[::1]:1": "[::1]:1", "gpu.lab:http": "gpu.lab:http",
		"": "", "8080": "", "localhost": "", "127.0.0.1:": "", "a:b:c": "", ":99999": "", ":-1": "", ":nosuchservice": "",
	} {
		got, err := Address(text)
		if got != want || (want == "") != (fault.ExitCode(err) == fault.ExitUsage) {
			t.Errorf("%q is %q, %v; want %q, or a usage error", text, got, err, want)
		}
	}
}

func TestNamesOfOthersAreRefused(t *testing.T) {
	for host, code := range map[string]int{
		"127.0.0.1:8080": 200, "127.0.0.1": 200, "localhost:8080": 200, "LocalHost": 200, "[::1]:8080": 200, "[::1]": 200, "192.168.1.5:80": 200,
		"gpu.lab:8080": 200, "evil.example:8080": 421, "evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:80": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		guard("gpu.lab", hello).ServeHTTP(w, r)
		if w.Code != code {
			t.Errorf("host %q: code %d, want %d", host, w.Code, code)
		}
	}
}

func TestARequestHasLimits(t *testing.T) {
	s := listen(t)
	defer s.Close()
	if s.server.ReadTimeout <= 0 || s.server.WriteTimeout <= 0 || s.server.IdleTimeout <= 0 || s.server.MaxHeaderBytes <= 0 {
		t.Errorf("a request is without limits: %+v", s.server)
	}
}
