package model

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"trainer/internal/fault"
)

// Generator continues token sequences.
type Generator struct {
	executor *Executor
	batch    Batch
}

// NewGenerator returns a generator of an executor's model. The executor may be used for other work between calls.
func NewGenerator(e *Executor) *Generator { return &Generator{executor: e} }

// Request is a prompt that is to be continued, and how.
type Request struct {
	Prompt []int32
	Sampling
	Top int // likeliest tokens to report for each chosen one
}

// promptsAtOnce is how many sequences go through the model together: enough to fill the tiles of the matrix products even when they are
// short, and no more than a few thousand tokens when the context is long.
func promptsAtOnce(context int) int { return max(1, min(128, 4096/context)) }

// Generate continues each prompt until the end token, MaxTokens, or the context is full. It returns the chosen tokens, the end token
// included, each with the `top` likeliest ones. The result for a prompt does not depend on the other prompts. A prompt that is empty or
// longer than the context is an error of class data.
func (g *Generator) Generate(prompts [][]int32, s Sampling, top int) ([][]Choice, error) {
	requests := make([]Request, len(prompts))
	for i, p := range prompts {
		requests[i] = Request{p, s, top}
	}
	results := make([][]Choice, len(prompts))
	err := g.Stream(context.Background(), requests, func(request int, c Choice) bool {
		results[request] = append(results[request], c)
		return true
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Stream is Generate for requests of their own sampling, which reports each token as soon as it is chosen: each is called with the number of
// the request, and false ends that request there. The end of ctx ends all, with its error, before the next token.
func (g *Generator) Stream(ctx context.Context, requests []Request, each func(request int, c Choice) bool) error {
	for i, r := range requests {
		if err := g.check(i, r.Prompt); err != nil {
			return err
		}
	}
	group := promptsAtOnce(g.executor.model.Config.Context)
	for first := 0; first < len(requests); first += group {
		end := min(first+group, len(requests))
		if err := g.together(ctx, requests[first:end], func(i int, c Choice) bool { return each(first+i, c) }); err != nil {
			return err
		}
	}
	return nil
}

// check returns an error for a prompt that the model cannot read.
func (g *Generator) check(i int, prompt []int32) error {
	if context := g.executor.model.Config.Context; len(prompt) == 0 || len(prompt) > context {
		return fault.Dataf("prompt %d has %d tokens: expected 1 to %d, the context of the model", i+1, len(prompt), context)
	}
	return nil
}

// sequence is a text on its way.
type sequence struct {
	Request
	tokens []int32 // prompt and continuation
	random *rand.Rand
}

// together continues prompts that go through the model together.
func (g *Generator) together(ctx context.Context, requests []Request, each func(int, Choice) bool) error {
	sequences, open := make([]sequence, len(requests)), make([]int, len(requests))
	for i, r := range requests {
		sequences[i], open[i] = sequence{r, slices.Clone(r.Prompt), rand.New(rand.NewPCG(r.Seed, 0))}, i
	}
	config := g.executor.model.Config
	for len(open) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.batch.Reset()
		for _, i := range open {
			t := sequences[i].tokens
			g.batch.AddPrompt(t[max(0, len(t)-config.Context):])
		}
		r, err := g.executor.Run(&g.batch, Predict, 0)
		if err != nil {
			return err
		}
		going := open[:0]
		for row, i := range open {
			s, logits := &sequences[i], r.Logits[row*config.VocabSize:(row+1)*config.VocabSize]
			ranked, err := rankNumbers(logits)
			if err != nil {
				return err
			}
			c := Choice{Candidate: s.next(logits, ranked, s.tokens, s.random), Top: likeliest(ranked, s.Top)}
			s.tokens = append(s.tokens, c.Token)
			if each(i, c) && !s.ended(config) {
				going = append(going, i)
			}
		}
		open = going
	}
	return nil
}

// ended says that the sequence has its last token.
func (s *sequence) ended(c Config) bool {
	return int(s.tokens[len(s.tokens)-1]) == c.EOS || len(s.tokens)-len(s.Prompt) == s.MaxTokens || !s.Slide && len(s.tokens) > c.Context
}

// Score returns how likely the model finds each token of a text, of 1 to Context tokens, from the second on, with the `top` likeliest in its
// place. Another length is an error of class data.
func (g *Generator) Score(text []int32, top int) ([]Choice, error) {
	if err := g.check(0, text); err != nil {
		return nil, err
	}
	if len(text) == 1 {
		return nil, nil
	}
	g.batch.Reset()
	g.batch.Add(text[:len(text)-1], text[1:])
	r, err := g.executor.Run(&g.batch, Predict, 0)
	if err != nil {
		return nil, err
	}
	choices, vocab := make([]Choice, len(text)-1), g.executor.model.Config.VocabSize
	for i := range choices {
		ranked, err := rankNumbers(r.Logits[i*vocab : (i+1)*vocab])
		if err != nil {
			return nil, err
		}
		choices[i] = Choice{find(ranked, text[i+1]), likeliest(ranked, top)}
	}
	return choices, nil
}

// rankNumbers is Rank with an error for logits of NaN.
func rankNumbers(logits []float32) ([]Candidate, error) {
	ranked := Rank(logits)
	if math.IsNaN(ranked[0].Probability) {
		return nil, fmt.Errorf("the model's logits are not numbers: its weights are broken")
	}
	return ranked, nil
}

// likeliest returns the first n of ranked candidates in memory of their own, so that the rest can be freed.
func likeliest(ranked []Candidate, n int) []Candidate {
	return slices.Clone(ranked[:min(n, len(ranked))])
}
