package completions

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Limits of the server.
const (
	headerLimit = 10 * time.Second // for the head of a request
	bodyLimit   = 30 * time.Second // for all of it
	idleLimit   = 2 * time.Minute  // between requests
	grace       = 5 * time.Second  // for requests at work when the server is to end
)

// Serve answers requests until ctx ends. Then no more are accepted, and those at work have a few seconds to end.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerLimit, ReadTimeout: bodyLimit, IdleTimeout: idleLimit, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    log.New(io.Discard, "", 0), // of connections that clients broke
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.Shutdown(patience); errors.Is(err, context.DeadlineExceeded) {
		stop()
		return s.Close()
	} else if err != nil {
		return err
	}
	return nil
}
