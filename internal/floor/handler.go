package floor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"trainer/internal/floor/api"
	"trainer/internal/web"
)

// Limits of what pages may ask for. A question costs a forward and a backward pass, and numbers next to nothing.
const (
	maxText       = 8 << 10 // bytes of a question
	maxBody       = 4 << 10 // bytes of a control
	questionRate  = 5       // questions and controls a second, from all pages together
	questionBurst = 20
	numberRate    = 100 // other requests
	numberBurst   = 500
	answerLimit   = time.Minute      // for a question to be answered
	replyLimit    = 10 * time.Second // for an answer to be taken, however long it took to find
)

// controlHeader is the header that has the page's token, in requests that change something.
const controlHeader = "X-Floor-Token"

// handler answers requests about a run.
type handler struct {
	source    Source
	hub       *Hub
	beside    *Runs
	token     web.Token
	questions *web.Limiter
	numbers   *web.Limiter
}

// New returns the handler of the page and its API for a run, with the runs beside it, and events of a hub. files is the page.
func New(s Source, h *Hub, beside *Runs, files fs.FS) (http.Handler, error) {
	f := &handler{source: s, hub: h, beside: beside, token: web.NewToken(),
		questions: web.NewLimiter(questionRate, questionBurst), numbers: web.NewLimiter(numberRate, numberBurst)}
	static, err := newStatic(files, f.token)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", static)
	mux.HandleFunc("GET /api/run", f.number(func(*http.Request) (any, error) { return f.run(), nil }))
	mux.HandleFunc("GET /api/metrics", f.number(f.metrics))
	mux.HandleFunc("GET /api/example", f.question(func(r *http.Request) (any, error) { return s.Example(r.Context()) }))
	mux.HandleFunc("GET /api/trace", f.question(f.trace))
	mux.HandleFunc("GET /api/findings", f.question(f.findings))
	mux.Handle("GET /api/events", h)
	mux.HandleFunc("POST /api/control", f.control)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, refuse(http.StatusNotFound, "there is no %s %s here", r.Method, r.URL.Path))
	})
	return web.Site(mux), nil
}

// answer computes the answer to a request.
type answer func(r *http.Request) (any, error)

// number answers requests that cost little.
func (f *handler) number(a answer) http.HandlerFunc { return limited(f.numbers, a) }

// question answers requests for which the model is run.
func (f *handler) question(a answer) http.HandlerFunc {
	return limited(f.questions, func(r *http.Request) (any, error) {
		ctx, cancel := context.WithTimeout(r.Context(), answerLimit)
		defer cancel()
		answer, err := a(r.WithContext(ctx))
		if errors.Is(err, context.DeadlineExceeded) {
			err = refuse(http.StatusServiceUnavailable, "the model had no time for the question within %s: ask again later", answerLimit)
		}
		return answer, err
	})
}

// limited answers requests as often as a limiter allows.
func limited(l *web.Limiter, a answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !l.Allow() {
			fail(w, refuse(http.StatusTooManyRequests, "too many requests: ask again in a second"))
			return
		}
		answer, err := a(r)
		if err != nil {
			fail(w, err)
			return
		}
		reply(w, http.StatusOK, answer)
	}
}

// run adds to what the source says of itself what is beside it.
func (f *handler) run() api.Run {
	r := f.source.Run()
	r.Runs = f.beside.Names()
	return r
}

func (f *handler) metrics(r *http.Request) (any, error) {
	since, err := stepOf(r, "since", 0)
	if err != nil {
		return nil, err
	}
	name := r.URL.Query().Get("run")
	if name == "" || name == f.beside.Own() {
		return f.source.Metrics(since), nil
	}
	return f.beside.Metrics(name, since)
}

func (f *handler) trace(r *http.Request) (any, error) {
	step, err := stepOf(r, "step", Now)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	q := Question{Text: query.Get("text"), Target: query.Get("target"), Step: step}
	switch {
	case q.Text == "":
		return nil, refuse(http.StatusBadRequest, "text is missing: expected a question, such as text=two plus three equals")
	case len(q.Text)+len(q.Target) > maxText:
		return nil, refuse(http.StatusBadRequest, "the question is %d bytes long: expected at most %d", len(q.Text)+len(q.Target), maxText)
	}
	return f.source.Trace(r.Context(), q)
}

func (f *handler) findings(r *http.Request) (any, error) {
	step, err := stepOf(r, "step", Now)
	if err != nil {
		return nil, err
	}
	return f.source.Findings(r.Context(), step)
}

// stepOf reads a parameter that is a step.
func stepOf(r *http.Request, key string, absent int) (int, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return absent, nil
	}
	step, err := strconv.Atoi(text)
	if err != nil || step < 0 {
		return 0, refuse(http.StatusBadRequest, "%s=%q: expected a step, 0 or more", key, text)
	}
	return step, nil
}

// control answers POST /api/control. Only the page itself knows the token: a request that a page of another site makes the browser send, with
// whatever cookies, does not have it.
func (f *handler) control(w http.ResponseWriter, r *http.Request) {
	if !f.token.Is(r.Header.Get(controlHeader)) {
		fail(w, refuse(http.StatusForbidden, "expected the header %s with the token that the page has: load the page again", controlHeader))
		return
	}
	if !f.questions.Allow() {
		fail(w, refuse(http.StatusTooManyRequests, "too many requests: ask again in a second"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		fail(w, refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes: expected {\"action\": \"pause\"}", maxBody))
		return
	}
	var c api.Control
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil {
		fail(w, refuse(http.StatusBadRequest, "the body is not JSON: expected {\"action\": \"pause\"}"))
		return
	}
	state, err := f.source.Control(c.Action)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, state)
}

// reply answers with JSON. The time that the server gives a request may be over by then.
func reply(w http.ResponseWriter, status int, document any) {
	data, err := json.Marshal(document)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be told as JSON"}`)
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(replyLimit)) // a writer without one takes as long as it likes
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(data) // an error is that of a reader who has gone
}

// fail answers with an error.
func fail(w http.ResponseWriter, err error) {
	status := statusOf(err)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	reply(w, status, api.Error{Error: err.Error()})
}
