// Package completions serves a model as OpenAI's API does for texts: POST /v1/completions continues prompts, at once or as a stream of
// server-sent events, and GET /v1/models names the model. Clients for that API work with it.
//
//	request.go: body → request → handler.go → generate.go: tokens → text → answer.go: JSON or events
//
// Requests that are at work at the same time go through the model together, up to a number of them. Who may ask is in guard.go, the server
// and its limits in serve.go.
// Start at New.
package completions

import (
	"context"
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

// atWork is how many requests are answered at a time. Each has its sequences in the model's batches, or waits for a place there.
const atWork = 32

// backlog is how many pieces of an answer can wait for a client that is slower than the model.
const backlog = 1024

// errSlow ends a request whose client does not keep up, so that the others need not wait for it.
var errSlow = errors.New("the answer is not read as fast as it is made")

// handler answers requests.
type handler struct {
	model   Model
	created int64
	places  chan struct{} // of requests at work
}

// New returns the handler of the API for a model. Unless token is empty, requests need it as "Authorization: Bearer TOKEN"; without one,
// only those to this machine by its own name are answered.
func New(m Model, token web.Token) http.Handler {
	h := &handler{model: m, created: time.Now().Unix(), places: make(chan struct{}, atWork)}
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
		fail(w, refuse(http.StatusTooManyRequests, "rate_limit_error", "", "%d requests are at work already: ask again later", atWork))
		return
	}
	h.answer(r.Context(), newAnswer(w, &h.model, q), q, tokens)
}

// answer writes the pieces of an answer while the model goes on, for other requests, too.
func (h *handler) answer(ctx context.Context, out *answer, q *request, prompts [][]int32) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type numbered struct {
		choice int
		piece
	}
	var used usage
	var failed error
	pieces := make(chan numbered, backlog)
	go func() {
		defer close(pieces)
		used, failed = h.generate(ctx, q, prompts, func(choice int, p piece) error {
			select {
			case pieces <- numbered{choice, p}:
				return nil
			default:
				return errSlow
			}
		})
	}()
	var unwritten error
	for p := range pieces {
		if unwritten == nil {
			if unwritten = out.add(p.choice, p.piece); unwritten != nil {
				cancel()
			}
		}
	}
	if unwritten != nil {
		return // the client has gone
	}
	if failed == nil {
		failed = out.finish(used)
	}
	if failed != nil && ctx.Err() == nil {
		out.fail(failed)
	}
}
