package model

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"

	"trainer/internal/memory"
)

// Limits of what goes through the model together.
const (
	// maxSequences is enough to fill the tiles of the matrix products with rows of one token each.
	maxSequences = 128
	// chunk is how many tokens of a prompt the model reads at once. Prompts are cut there, counted from their own beginning, so that the cut
	// does not depend on other prompts; a step has at most one chunk's rows of prompts besides the sequences that go on by a token.
	chunk = 512
	// cacheLimit is how large the cache grows for more sequences at a time, in bytes: it holds some 14,000 tokens of GPT-2. For a single
	// sequence that needs more it is as large as that.
	cacheLimit = 1 << 30
)

// sequence is a text on its way.
type sequence struct {
	Request
	call   *call
	index  int     // of the request in its call
	tokens []int32 // prompt and continuation
	random *rand.Rand

	begin       int // the first token that the model sees; later than 0 when Slide has dropped some
	cached      int // how many tokens from there on are in the cache
	start, room int // its places there
}

// need is how many places of the cache the sequence can come to need: the last token that is chosen is never read.
func (s *sequence) need(c Config) int {
	if left := c.Context - len(s.Prompt) + 1; s.MaxTokens == 0 || s.MaxTokens > left {
		return c.Context
	}
	return len(s.Prompt) + s.MaxTokens - 1
}

// unread is what the model has not read of the sequence, at most a chunk.
func (s *sequence) unread() (tokens []int32, whole bool) {
	tokens = s.tokens[s.begin+s.cached:]
	return tokens[:min(len(tokens), chunk)], len(tokens) <= chunk
}

// ended says that the sequence has its last token.
func (s *sequence) ended(c Config) bool {
	return int(s.tokens[len(s.tokens)-1]) == c.EOS || len(s.tokens)-len(s.Prompt) == s.MaxTokens || !s.Slide && len(s.tokens) > c.Context
}

// step reads something of each open sequence, as far as a batch has room, and chooses the next token of those that were read to their end.
func (g *Generator) step() error {
	if err := g.admit(); err != nil {
		return err
	}
	g.gather()
	if len(g.read) == 0 {
		return nil
	}
	r, err := g.executor.Run(&g.batch, Predict, 0)
	if err != nil {
		return err
	}
	vocab, row := g.executor.model.Config.VocabSize, 0
	for _, s := range g.read {
		tokens, whole := s.unread()
		s.cached += len(tokens)
		if whole {
			g.choose(s, r.Logits[row*vocab:(row+1)*vocab])
			row++
		}
	}
	return nil
}

// admit opens waiting sequences in their order, as long as there are places for them. Where none is open, the cache can grow.
func (g *Generator) admit() error {
	config := g.executor.model.Config
	if len(g.open) == 0 {
		if err := g.reserve(); err != nil {
			return err
		}
	}
	for len(g.waiting) > 0 && len(g.open) < maxSequences {
		s := g.waiting[0]
		s.room = s.need(config)
		var ok bool
		if s.start, ok = g.places.take(s.room); !ok {
			break
		}
		g.waiting, g.open = slices.Delete(g.waiting, 0, 1), append(g.open, s)
	}
	if len(g.open) == 0 {
		panic(fmt.Sprintf("model: none of %d sequences can be opened in %d places, of which these are free: %v",
			len(g.waiting), g.places.size, g.places.gaps))
	}
	return nil
}

// reserve makes the cache large enough for the waiting sequences together, or for as many as cacheLimit and the free memory allow, at least
// for one. It never shrinks.
func (g *Generator) reserve() error {
	config := g.executor.model.Config
	together, largest := 0, 0
	for _, s := range g.waiting[:min(len(g.waiting), maxSequences)] {
		together += s.need(config)
		largest = max(largest, s.need(config))
	}
	if together > g.executor.Places() {
		limit := g.limit
		if free, known := memory.Available(); known {
			limit = min(limit, free/2)
		}
		most := max(largest, limit/config.CacheSize(1))
		if err := g.executor.Reserve(min(most, 1<<bits.Len(uint(together-1)))); err != nil {
			return err
		}
	}
	if places := g.executor.Places(); g.places.size != places {
		g.places.reset(places)
	}
	return nil
}

// gather makes the next batch: the latest token of each sequence that goes on, and chunks of prompts.
func (g *Generator) gather() {
	g.batch.Reset()
	g.read = g.read[:0]
	prompts := 0 // rows
	for _, ofPrompts := range []bool{false, true} {
		for _, s := range g.open {
			tokens, whole := s.unread()
			if s.call.stopped() || ofPrompts != (len(tokens) > 1) || ofPrompts && prompts > 0 && prompts+len(tokens) > chunk {
				continue
			}
			if ofPrompts {
				prompts += len(tokens)
			}
			g.batch.Extend(tokens, s.start, s.cached, whole)
			g.read = append(g.read, s)
		}
	}
}

// choose chooses the next token of a sequence by the model's logits [V].
func (g *Generator) choose(s *sequence, logits []float32) {
	if s.call.stopped() {
		return
	}
	c, err := g.sampler.next(logits, s.Sampling, s.tokens, s.random, s.Top)
	if err != nil {
		s.call.err = err
		return
	}
	s.tokens = append(s.tokens, c.Token)
	config := g.executor.model.Config
	if !s.call.each(s.index, c) || s.ended(config) {
		s.call.open--
		g.close(s)
	} else if len(s.tokens)-s.begin > config.Context {
		s.begin, s.cached = len(s.tokens)-max(1, config.Context/2), 0
	}
}

// close gives the places of an open sequence back.
func (g *Generator) close(s *sequence) {
	g.places.free(s.start, s.room)
	g.open = slices.DeleteFunc(g.open, func(o *sequence) bool { return o == s })
}
