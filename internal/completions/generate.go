package completions

import (
	"context"
	"unicode/utf8"

	"trainer/internal/detokenize"
	"trainer/model"
)

// piece is the next part of a choice: text that has become certain, and the tokens that made it so.
type piece struct {
	text   string
	tokens []token
	finish string // "stop" or "length" in the last piece
}

// token is a token of a choice.
type token struct {
	choice model.Choice
	first  bool // of the prompt: nothing was predicted in its place
	offset int  // characters of the choice's text before it
}

// usage counts the tokens of a request.
type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// generate continues the prompts, each n times, and tells what comes to add, whose error ends it.
func (h *handler) generate(ctx context.Context, q *request, prompts [][]int32, add func(index int, p piece) error) (usage, error) {
	var u usage
	var requests []model.Request
	var streams []*detokenize.Stream
	var offsets []int
	for _, tokens := range prompts {
		u.Prompt += len(tokens)
		var echo piece
		if q.Echo {
			var err error
			if echo, err = h.echo(ctx, q, tokens); err != nil {
				return u, err
			}
		}
		for range q.N {
			i := len(requests)
			r := model.Request{Prompt: tokens, Sampling: q.sampling(), Top: q.top()}
			r.Seed = uint64(*q.Seed) + uint64(i)
			requests, streams, offsets = append(requests, r), append(streams, detokenize.New(h.model.Tokenizer, tokens, q.Stop)), append(offsets, 0)
			if !q.Echo {
				continue
			}
			offsets[i] = utf8.RuneCountInString(echo.text)
			if err := add(i, echo); err != nil {
				return u, err
			}
		}
	}
	if q.MaxTokens == 0 {
		u.Total = u.Prompt
		for i := range requests {
			if err := add(i, piece{finish: "length"}); err != nil {
				return u, err
			}
		}
		return u, nil
	}
	var failed error
	made := make([]int, len(requests))
	err := h.model.Generator.Stream(ctx, requests, func(i int, c model.Choice) bool {
		u.Completion++
		made[i]++
		s, p := streams[i], piece{tokens: []token{{choice: c, offset: offsets[i]}}}
		p.text = s.Add(c.Token)
		switch {
		case s.Stopped() || c.Token == h.model.Tokenizer.EOS():
			p.finish = "stop"
		case made[i] == q.MaxTokens || len(requests[i].Prompt)+made[i] > h.model.Context:
			p.finish = "length"
		}
		if p.finish != "" {
			p.text += s.Flush()
		}
		offsets[i] += utf8.RuneCountInString(p.text)
		failed = add(i, p)
		return failed == nil && p.finish == ""
	})
	u.Total = u.Prompt + u.Completion
	if failed != nil {
		return u, failed
	}
	return u, err
}

// echo is the prompt as a piece, with how likely the model finds it if that was asked for.
func (h *handler) echo(ctx context.Context, q *request, prompt []int32) (piece, error) {
	p := piece{text: h.model.Tokenizer.Decode(prompt)}
	if q.Logprobs == nil {
		return p, nil
	}
	if err := ctx.Err(); err != nil {
		return p, err
	}
	scores, err := h.model.Generator.Score(prompt, q.top())
	if err != nil {
		return p, err
	}
	p.tokens = append(p.tokens, token{choice: model.Choice{Candidate: model.Candidate{Token: prompt[0]}}, first: true})
	for i, c := range scores {
		before := utf8.RuneCountInString(h.model.Tokenizer.Decode(prompt[:i+1]))
		p.tokens = append(p.tokens, token{choice: c, offset: before})
	}
	return p, nil
}
