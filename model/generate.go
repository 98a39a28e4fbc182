package model

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"trainer/internal/fault"
)

// Generator continues token sequences. The keys and values of what a sequence has so far are in the Executor's cache, so that a token costs
// one row of the model's products, however long the text is; sequences go through the model together.
//
//	Stream -> waiting -> admit (places in the cache) -> step: Batch -> Executor -> sampler -> each token to its caller
//
// It serves calls of several goroutines at a time, whose sequences share batches.
type Generator struct {
	mutex    sync.Mutex // held for a step of the model
	executor *Executor
	batch    Batch
	sampler  sampler
	limit    int         // cacheLimit, or less in tests
	places   places      // of the cache
	waiting  []*sequence // for places, in the order in which they came
	open     []*sequence // on their way
	read     []*sequence // of these in the latest batch
}

// NewGenerator returns a generator of an executor's model. The executor may be used for other work between calls.
func NewGenerator(e *Executor) *Generator { return &Generator{executor: e, limit: cacheLimit} }

// Request is a prompt that is to be continued, and how.
type Request struct {
	Prompt []int32
	Sampling
	Top int // likeliest tokens to report for each chosen one
}

// Generate continues each prompt until the end token, MaxTokens, or the context is full. It returns the chosen tokens, the end token
// included, each with the `top` likeliest ones. The result for a prompt does not depend on the other prompts: on a CPU bit by bit, on a GPU but
// for rounding. A prompt that is empty or longer than the context is an error of class data.
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

// call is a Stream at work.
type call struct {
	ctx  context.Context
	each func(request int, c Choice) bool
	open int   // sequences that have not ended
	err  error // that ends it
}

// stopped says that nobody waits for more tokens.
func (c *call) stopped() bool { return c.err != nil || c.ctx.Err() != nil }

// Stream is Generate for requests of their own sampling, which reports each token as soon as it is chosen: each is called with the number of
// the request, and false ends that request there. The end of ctx ends all, with its error, before the next token. Calls of several
// goroutines go through the model together, and each is then called by any of these, one at a time.
func (g *Generator) Stream(ctx context.Context, requests []Request, each func(request int, c Choice) bool) error {
	for i, r := range requests {
		if err := g.check(i, r.Prompt); err != nil {
			return err
		}
	}
	c := &call{ctx: ctx, each: each, open: len(requests)}
	g.join(c, requests)
	return g.finish(c)
}

// check returns an error for a prompt that the model cannot read.
func (g *Generator) check(i int, prompt []int32) error {
	if context := g.executor.model.Config.Context; len(prompt) == 0 || len(prompt) > context {
		return fault.Dataf("prompt %d has %d tokens: expected 1 to %d, the context of the model", i+1, len(prompt), context)
	}
	return nil
}

// join queues the requests of a call.
func (g *Generator) join(c *call, requests []Request) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for i, r := range requests {
		g.waiting = append(g.waiting, &sequence{
			Request: r, call: c, index: i, tokens: slices.Clone(r.Prompt), random: rand.New(rand.NewPCG(r.Seed, 0)),
		})
	}
}

// finish takes steps until a call is done.
func (g *Generator) finish(c *call) error {
	defer g.leave(c)
	for {
		if done, err := g.advance(c); done {
			return err
		}
	}
}

// leave takes out what is left of a call.
func (g *Generator) leave(c *call) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(s *sequence) bool { return s.call == c })
	for _, s := range slices.Clone(g.open) {
		if s.call == c {
			g.close(s)
		}
	}
}

// advance takes a step for all calls at work, if that one is not done, and says whether it is. Another call's goroutine may have taken the
// steps that it needed.
func (g *Generator) advance(c *call) (done bool, err error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if c.open > 0 && !c.stopped() {
		if err := g.step(); err != nil {
			for _, s := range slices.Concat(g.waiting, g.open) {
				s.call.err = err
			}
		}
	}
	if c.open == 0 || c.err != nil {
		return true, c.err
	}
	return c.stopped(), c.ctx.Err()
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
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.batch.Reset()
	g.batch.Add(text[:len(text)-1], text[1:])
	r, err := g.executor.Run(&g.batch, Predict, 0)
	if err != nil {
		return nil, err
	}
	choices, vocab := make([]Choice, len(text)-1), g.executor.model.Config.VocabSize
	for i := range choices {
		if choices[i], err = g.sampler.score(r.Logits[i*vocab:(i+1)*vocab], text[i+1], top); err != nil {
			return nil, err
		}
	}
	return choices, nil
}
