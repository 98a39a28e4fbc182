package floor

import (
	"context"
	"io/fs"
	"net/http"
	"sync"

	"trainer/internal/web"
)

// Server shows a run to browsers.
type Server struct {
	hub    *Hub
	runs   *Runs
	server *web.Server
	token  web.Token // where others than this machine's user can reach the server
	stop   context.CancelFunc
	watch  sync.WaitGroup
	closed bool
}

// Serve shows the run of a folder with the page in files, and closes the listener at its end, or with an error. Others than the user of this
// machine, where the address lets them ask, need the token in URL. What others holds is served beside the page, by path, to whoever asks.
func Serve(s Source, dir string, l *web.Listener, files fs.FS, others map[string]http.Handler) (*Server, error) {
	runs, err := OpenRuns(dir)
	if err != nil {
		l.Close()
		return nil, err
	}
	f := &Server{hub: NewHub(), runs: runs}
	h, err := New(s, f.hub, runs, files)
	if err != nil {
		l.Close()
		runs.Close()
		return nil, err
	}
	if !l.IsLoopback() {
		f.token = web.NewToken()
		h = f.token.Locked(h)
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	for path, other := range others {
		mux.Handle(path, other)
	}
	f.server = web.Serve(l, mux)
	var ctx context.Context
	ctx, f.stop = context.WithCancel(context.Background())
	f.watch.Go(func() { s.Watch(ctx, f.hub) })
	return f, nil
}

// URL is the address to open in a browser, with the token where one is needed.
func (f *Server) URL() string { return f.token.In(f.server.URL()) }

// Address is the host and port that the server listens on.
func (f *Server) Address() string { return f.server.Address }

// Close sends the pages what is still to be told, and ends the server, once.
func (f *Server) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	f.stop()
	f.watch.Wait()
	f.hub.Close()
	f.runs.Close()
	return f.server.Close()
}
