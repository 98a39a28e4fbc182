package completions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"trainer/model"
)

// Limits of a request.
const (
	maxChoices  = 128 // prompts times n
	maxStops    = 16
	maxLogprobs = 20
)

// request is the body of POST /v1/completions, checked and with the API's defaults. Fields that are not listed are ignored.
type request struct {
	Model    string      `json:"model"`
	Prompt   prompts     `json:"prompt"`
	Stop     stopStrings `json:"stop"`
	N        int         `json:"n"`
	Stream   bool        `json:"stream"`
	Echo     bool        `json:"echo"`
	Logprobs *int        `json:"logprobs"`

	MaxTokens         int     `json:"max_tokens"`
	Temperature       float64 `json:"temperature"`
	TopP              float64 `json:"top_p"`
	TopK              int     `json:"top_k"`
	MinP              float64 `json:"min_p"`
	RepetitionPenalty float64 `json:"repetition_penalty"`
	Seed              *int64  `json:"seed"`

	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// prompts is a text, a list of texts, a list of tokens, or a list of lists of tokens.
type prompts []prompt

// prompt is a text, or else tokens.
type prompt struct {
	text   string
	tokens []int32
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *prompts) UnmarshalJSON(data []byte) error {
	var (
		text  string
		texts []string
		list  []int32
		lists [][]int32
	)
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil
	case json.Unmarshal(data, &text) == nil:
		*p = prompts{{text: text}}
	case json.Unmarshal(data, &texts) == nil:
		for _, t := range texts {
			*p = append(*p, prompt{text: t})
		}
	case json.Unmarshal(data, &list) == nil:
		*p = prompts{{tokens: list}}
	case json.Unmarshal(data, &lists) == nil:
		for _, l := range lists {
			*p = append(*p, prompt{tokens: append([]int32{}, l...)})
		}
	default:
		return invalid("prompt", "prompt: expected a string, a list of strings, a list of tokens, or a list of such lists")
	}
	return nil
}

// stopStrings is a string or a list of strings.
type stopStrings []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *stopStrings) UnmarshalJSON(data []byte) error {
	var one string
	if !bytes.Equal(data, []byte("null")) && json.Unmarshal(data, &one) == nil {
		*s = stopStrings{one}
		return nil
	}
	if err := json.Unmarshal(data, (*[]string)(s)); err != nil {
		return invalid("stop", "stop: expected a string or a list of strings")
	}
	return nil
}

// parse reads a request. The error is an *apiError.
func parse(body []byte) (*request, error) {
	r := &request{N: 1, MaxTokens: 16, Temperature: 1, TopP: 1, RepetitionPenalty: 1} // null leaves them as they are
	if err := json.Unmarshal(body, r); err != nil {
		return nil, unreadable(err)
	}
	switch {
	case len(r.Prompt) == 0:
		return nil, invalid("prompt", "there is no prompt: expected a string or a list of strings")
	case r.N < 1 || r.N > maxChoices/len(r.Prompt):
		return nil, invalid("n", "n %d of %d prompts: expected 1 or more, and at most %d texts in one request", r.N, len(r.Prompt), maxChoices)
	case r.MaxTokens < 0:
		return nil, invalid("max_tokens", "max_tokens %d: expected 0 or more", r.MaxTokens)
	case r.Logprobs != nil && (*r.Logprobs < 0 || *r.Logprobs > maxLogprobs):
		return nil, invalid("logprobs", "logprobs %d: expected 0 to %d", *r.Logprobs, maxLogprobs)
	case len(r.Stop) > maxStops || slices.Contains(r.Stop, ""):
		return nil, invalid("stop", "stop: expected at most %d strings, none of them empty", maxStops)
	}
	if err := r.sampling().Validate(); err != nil {
		return nil, invalid("", "%v", err)
	}
	if r.Seed == nil {
		seed := rand.Int64()
		r.Seed = &seed
	}
	return r, nil
}

// sampling is that of the first choice for each prompt, without the seed.
func (r *request) sampling() model.Sampling {
	return model.Sampling{
		Temperature: r.Temperature, TopK: r.TopK, TopP: r.TopP, MinP: r.MinP, RepetitionPenalty: r.RepetitionPenalty, MaxTokens: r.MaxTokens,
	}
}

// top is how many of the likeliest tokens are reported in each place.
func (r *request) top() int {
	if r.Logprobs == nil {
		return 0
	}
	return *r.Logprobs
}

// encode returns the tokens of each prompt. The error is an *apiError.
func (r *request) encode(m *Model) ([][]int32, error) {
	lists := make([][]int32, len(r.Prompt))
	for i, p := range r.Prompt {
		tokens := p.tokens
		if tokens == nil {
			var err error
			if tokens, err = m.Tokenizer.Encode(p.text); err != nil {
				return nil, invalid("prompt", "prompt %d: %v", i+1, err)
			}
		}
		for _, t := range tokens {
			if t < 0 || int(t) >= m.Tokenizer.VocabSize() {
				return nil, invalid("prompt", "prompt %d: token %d is not in the vocabulary of %d", i+1, t, m.Tokenizer.VocabSize())
			}
		}
		switch {
		case len(tokens) == 0:
			return nil, invalid("prompt", "prompt %d is empty: expected at least one token", i+1)
		case len(tokens) > m.Context:
			e := invalid("prompt", "prompt %d has %d tokens: expected at most %d, the context of the model", i+1, len(tokens), m.Context)
			e.Code = "context_length_exceeded"
			return nil, e
		}
		lists[i] = tokens
	}
	return lists, nil
}

// unreadable explains why a body is no request.
func unreadable(err error) *apiError {
	var e *apiError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &kind):
		return invalid(kind.Field, "%s is a %s: expected %s", kind.Field, kind.Value, names[fmt.Sprint(kind.Type.Kind())])
	}
	return invalid("", "the body is not JSON: %v", err)
}

// names are names for the kinds of fields.
var names = map[string]string{
	"string": "a string", "bool": "true or false", "int": "a whole number", "int64": "a whole number", "float64": "a number",
	"struct": "an object", "ptr": "a whole number",
}
