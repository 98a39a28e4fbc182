package completions

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"trainer/model"
)

// writeLimit is how long a client may take to accept what is sent.
const writeLimit = 30 * time.Second

// completion is an answer, or a part of one in a stream.
type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

// choice is a continuation of a prompt.
type choice struct {
	Text     string    `json:"text"`
	Index    int       `json:"index"`
	Logprobs *logprobs `json:"logprobs"`
	Finish   *string   `json:"finish_reason"`
}

// logprobs are the tokens of a choice with the natural logarithms of their probabilities; null for the first one of a prompt.
type logprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []*float64           `json:"token_logprobs"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"` // in characters
}

// answer sends what is generated: event by event in a stream, else as a whole.
type answer struct {
	w       http.ResponseWriter
	model   *Model
	request *request
	head    completion // without choices
	choices []choice   // so far, of an answer that is sent as a whole
	begun   bool       // something of a stream was sent
}

func newAnswer(w http.ResponseWriter, m *Model, q *request) *answer {
	a := &answer{w: w, model: m, request: q, choices: make([]choice, len(q.Prompt)*q.N)}
	a.head = completion{ID: "cmpl-" + rand.Text(), Object: "text_completion", Created: time.Now().Unix(), Model: m.Name}
	return a
}

// add appends a piece to the choice of that index.
func (a *answer) add(index int, p piece) error {
	part := choice{Text: p.text, Index: index}
	if p.finish != "" {
		part.Finish = &p.finish
	}
	if a.request.Logprobs != nil {
		part.Logprobs = a.logprobs(p.tokens)
	}
	if a.request.Stream {
		if part.Text == "" && part.Logprobs == nil && part.Finish == nil {
			return nil
		}
		event := a.head
		event.Choices = []choice{part}
		return a.event(event)
	}
	c := &a.choices[index]
	c.Index, c.Finish = index, part.Finish
	c.Text += part.Text
	if l := part.Logprobs; l != nil && c.Logprobs == nil {
		c.Logprobs = l
	} else if l != nil {
		c.Logprobs.Tokens = append(c.Logprobs.Tokens, l.Tokens...)
		c.Logprobs.TokenLogprobs = append(c.Logprobs.TokenLogprobs, l.TokenLogprobs...)
		c.Logprobs.TopLogprobs = append(c.Logprobs.TopLogprobs, l.TopLogprobs...)
		c.Logprobs.TextOffset = append(c.Logprobs.TextOffset, l.TextOffset...)
	}
	return nil
}

// finish sends what is left.
func (a *answer) finish(u usage) error {
	whole := a.head
	whole.Usage, whole.Choices = &u, a.choices
	if !a.request.Stream {
		a.extend()
		reply(a.w, http.StatusOK, whole)
		return nil
	}
	if a.request.StreamOptions.IncludeUsage {
		whole.Choices = []choice{}
		if err := a.event(whole); err != nil {
			return err
		}
	}
	return a.send("[DONE]")
}

// fail sends an error.
func (a *answer) fail(err error) {
	a.extend()
	if !a.begun {
		fail(a.w, err)
		return
	}
	a.event(envelope{asAPIError(err)}) // its own error is that of a client that has gone
}

// event sends a value as an event.
func (a *answer) event(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.send(string(data))
}

// send sends the data of an event at once.
func (a *answer) send(data string) error {
	if !a.begun {
		a.w.Header().Set("Content-Type", "text/event-stream")
		a.w.Header().Set("Cache-Control", "no-store")
		a.begun = true
	}
	a.extend()
	if _, err := fmt.Fprintf(a.w, "data: %s\n\n", data); err != nil {
		return err
	}
	return http.NewResponseController(a.w).Flush()
}

// extend gives the client time for the next write; one limit for a whole stream would end long ones. Where the connection has no deadlines,
// as in tests of the handler alone, there is nothing to extend.
func (a *answer) extend() {
	http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(writeLimit))
}

// logprobs returns tokens as the API shows them.
func (a *answer) logprobs(tokens []token) *logprobs {
	l := &logprobs{Tokens: []string{}, TokenLogprobs: []*float64{}, TopLogprobs: []map[string]float64{}, TextOffset: []int{}}
	for _, t := range tokens {
		l.Tokens, l.TextOffset = append(l.Tokens, a.name(t.choice.Token)), append(l.TextOffset, t.offset)
		if t.first {
			l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, nil), append(l.TopLogprobs, nil)
			continue
		}
		p := logarithm(t.choice.Candidate)
		top := make(map[string]float64)
		for _, c := range t.choice.Top {
			top[a.name(c.Token)] = logarithm(c)
		}
		l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, &p), append(l.TopLogprobs, top)
	}
	return l
}

// logarithm is the candidate's log-probability, as large as JSON can have it.
func logarithm(c model.Candidate) float64 { return max(c.LogProbability(), -9999) }

// name is the text of a token, or the name in the vocabulary of one that has none or is a part of a character.
func (a *answer) name(id int32) string {
	if text := a.model.Tokenizer.Decode([]int32{id}); text != "" && utf8.ValidString(text) {
		return text
	}
	return a.model.Tokenizer.Token(id)
}
