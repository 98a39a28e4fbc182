// Package web serves pages of a running program to its user, and to nobody by accident: on the loopback address unless another is asked for,
// and never to a page of the web that has tricked the user's browser into asking (DNS rebinding).
//
//	Listen   takes the port
//	Serve    the server, with limits of a request and of connections; refuses names of others
//	Site     a page with its API: for itself alone, with a Content-Security-Policy
//	Token    a secret in an address, which becomes a cookie: for servers that others can reach
//	Limiter  so many events a second
//
// Start at Address, Listen and Serve.
package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"trainer/internal/fault"
)

// Server is a listening server.
type Server struct {
	Address string // host and port, the port as chosen by the system where 0 was asked for
	server  *http.Server
	ended   chan error
}

// The limits of a request. Answers are short, and so are questions.
const (
	readLimit   = 5 * time.Second
	writeLimit  = 10 * time.Second
	idleLimit   = time.Minute
	graceLimit  = 300 * time.Millisecond
	headerLimit = 16 << 10 // bytes
)

// Address completes an address, host:port. Without a host it is the loopback address: ":8080" is 127.0.0.1:8080, and it takes "0.0.0.0:8080"
// to be reached from elsewhere. The error is a usage error.
func Address(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return "", fault.Usagef("%q is not an address: expected a port such as :8080, or host:port", text)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", fault.Usagef("%q is not an address: %q is no port, expected 1 to 65535, or 0 for any", text, port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Listener has a port, and may be asked already: who does waits for Serve.
type Listener struct {
	net.Listener
	host string // as it was asked for
}

// Listen takes the port of an address, as Address completes it.
func Listen(address string) (*Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		panic(fmt.Sprintf("web: %q is not an address with a host", address))
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w: choose another port, or 0 for any", address, err)
	}
	return &Listener{l, host}, nil
}

// IsLoopback says whether only this machine can reach it.
func (l *Listener) IsLoopback() bool { return IsLoopback(l.host) }

// Serve serves a handler, and closes the listener at its end.
func Serve(l *Listener, h http.Handler) *Server {
	s := &Server{Address: l.Addr().String(), ended: make(chan error, 1)}
	s.server = &http.Server{
		Handler: guard(l.host, h), ReadTimeout: readLimit, WriteTimeout: writeLimit, IdleTimeout: idleLimit, MaxHeaderBytes: headerLimit,
	}
	go func() { s.ended <- s.server.Serve(limitConnections(l, maxConnections)) }()
	return s
}

// URL is the address to open in a browser. Of a server on all addresses of the machine it has one by which others reach it.
func (s *Server) URL() string {
	host, port, _ := net.SplitHostPort(s.Address) // as the listener has written it
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ownAddress()
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// ownAddress is an address of this machine in its network, the loopback address where it is in none.
func ownAddress() string {
	addresses, _ := net.InterfaceAddrs() // an error is as good as none
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// Close ends the server, and returns what ended it before, if something did. Answers under way have a moment to end. It is called once.
func (s *Server) Close() error {
	patience, cancel := context.WithTimeout(context.Background(), graceLimit)
	defer cancel()
	err := s.server.Shutdown(patience)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// nameOf is a host without its port, and an address of IPv6 without its brackets.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// IsLoopback says whether a host, with or without a port, is this machine by a name that only it can have.
func IsLoopback(host string) bool {
	host = nameOf(host)
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// guard refuses requests for a host by a name that is not that of the server. A page of the web can only have a browser ask this server by
// a name of its own, which it lets point here; the user asks by an address, "localhost", or the name that the server listens on.
func guard(name string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := nameOf(r.Host)
		_, err := netip.ParseAddr(host)
		if err != nil && !strings.EqualFold(host, "localhost") && !strings.EqualFold(host, name) {
			http.Error(w, fmt.Sprintf("%q is not the name of this server: ask by its address, or localhost", host), http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h.ServeHTTP(w, r)
	})
}
