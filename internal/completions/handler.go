// Package completions serves a model as OpenAI's API does for texts: POST /v1/completions continues prompts, at once or as a stream of
// server-sent events, and GET /v1/models names the model. Clients for that API work with it.
//
//	request.go: body → request → handler.go: its turn → generate.go: tokens → text → answer.go: JSON or events
//
// The model works on one request at a time; a limited number waits. Who may ask is in guard.go, the server and its limits in serve.go.
// Start at New.
package completions

import (
	"errors"
	"io"
	"net/http"
	"time"

	"trainer/internal/web"
	"trainer/model"
	"trainer/tokenizer"
)

// Model is what answers.
type Model struct {
	Name      string
	Tokenizer tokenizer.Tokenizer
	Generator *model.Generator
	Context   int // the longest prompt, in tokens
}

// maxBody is how long the body of a request can be, in bytes.
const maxBody = 1 << 20

// waiting is how many requests can wait for their turn besides the one at work.
const waiting = 32

// handler answers requests.
type handler struct {
	model   Model
	created int64
	places  chan struct{} // of requests at work and waiting
	turn    chan struct{} // of the one at work
}

// New returns the handler of the API for a model. Unless token is empty, requests need it as "Authorization: Bearer TOKEN"; without one,
// only those to this machine by its own name are answered.
func New(m Model, token web.Token) http.Handler {
	h := &handler{model: m, created: time.Now().Unix(), places: make(chan struct{}, 1+waiting), turn: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/completions", h.complete)
	mux.HandleFunc("GET /v1/models", h.models)
	mux.HandleFunc("/v1/completions", wrongMethod("POST"))
	mux.HandleFunc("/v1/models", wrongMethod("GET"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, refuse(http.StatusNotFound, "invalid_request_error", "", "there is no %s: expected /v1/completions or /v1/models", r.URL.Path))
	})
	return guard(mux, token)
}

// wrongMethod refuses a request.
func wrongMethod(expected string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", expected)
		fail(w, refuse(http.StatusMethodNotAllowed, "invalid_request_error", "", "%s %s: expected %s", r.Method, r.URL.Path, expected))
	}
}

// models answers GET /v1/models.
func (h *handler) models(w http.ResponseWriter, _ *http.Request) {
	type entry struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}
	reply(w, http.StatusOK, struct {
		Object string  `json:"object"`
		Data   []entry `json:"data"`
	}{"list", []entry{{h.model.Name, "model", h.created, "trainer"}}})
}

// complete answers POST /v1/completions.
func (h *handler) complete(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		fail(w, refuse(http.StatusRequestEntityTooLarge, "invalid_request_error", "", "the body is longer than %d bytes", maxBody))
		return
	} else if err != nil {
		fail(w, invalid("", "the body cannot be read: %v", err))
		return
	}
	q, err := parse(body)
	if err != nil {
		fail(w, err)
		return
	}
	if q.Model != "" && q.Model != h.model.Name {
		fail(w, refuse(http.StatusNotFound, "invalid_request_error", "model_not_found",
			"there is no model %q here: expected %q", q.Model, h.model.Name))
		return
	}
	tokens, err := q.encode(&h.model)
	if err != nil {
		fail(w, err)
		return
	}
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	default:
		fail(w, refuse(http.StatusTooManyRequests, "rate_limit_error", "", "%d requests are waiting already: ask again later", waiting))
		return
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-r.Context().Done():
		return
	}
	out := newAnswer(w, &h.model, q)
	usage, err := h.generate(r.Context(), q, tokens, out.add)
	if err == nil {
		err = out.finish(usage)
	}
	if err != nil && r.Context().Err() == nil {
		out.fail(err)
	}
}
