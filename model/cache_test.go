package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// longConfigs are a GPT-2 and a Llama of a context that is read in several chunks.
func longConfigs() map[string]Config {
	gpt2 := Config{
		Architecture: GPT2, VocabSize: 23, Context: 2*chunk + 300, Width: 16, Layers: 2, Heads: 2, MLPWidth: 24, Epsilon: 1e-5,
		RopeTheta: DefaultRopeTheta, Positions: Learned, BOS: NoToken, EOS: NoToken, PAD: NoToken,
	}
	llama := gpt2
	llama.Architecture, llama.Positions, llama.KVHeads = Llama, Rotary, 1
	return map[string]Config{"gpt2": gpt2, "llama": llama}
}

// randomText is n random tokens of a model.
func randomText(c Config, n int) []int32 {
	random := rand.New(rand.NewPCG(uint64(n), 4))
	text := make([]int32, n)
	for i := range text {
		text[i] = random.Int32N(int32(c.VocabSize))
	}
	return text
}

// wholeLogits are the logits behind a text that the model reads as a whole, without a cache.
func wholeLogits(t testing.TB, e *Executor, text []int32) []float32 {
	t.Helper()
	var b Batch
	b.AddPrompt(text)
	return run(t, e, &b, Predict, 0).Logits
}

// A cache holds what another run has computed, and what is computed of it are the same sums in another order.
func TestATextInPartsHasTheLogitsOfTheWhole(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		if err := e.Reserve(40); err != nil {
			t.Fatal(err)
		}
		texts := [][]int32{randomText(m.Config, 9), randomText(m.Config, 7), randomText(m.Config, 1)}
		starts := []int{31, 3, 20}
		for _, cuts := range [][][]int{
			{{9}, {7}, {1}}, {{1, 1, 1, 1, 1, 1, 1, 1, 1}, {3, 1, 3}, {1}}, {{4, 5}, {1, 1, 1, 4}, {1}}, {{8, 1}, {6, 1}, {1}},
		} {
			read := make([]int, len(texts))
			for part := range 9 {
				var b Batch
				var ran []int
				for s, cut := range cuts {
					if part < len(cut) {
						b.Extend(texts[s][read[s]:read[s]+cut[part]], starts[s], read[s], s != 1 || part%2 == 0)
						read[s] += cut[part]
						if s != 1 || part%2 == 0 {
							ran = append(ran, s)
						}
					}
				}
				if b.Tokens() == 0 {
					break
				}
				got := run(t, e, &b, Predict, 0).Logits
				for row, s := range ran {
					near(t, fmt.Sprintf("cuts %v, part %d, text %d", cuts[s], part, s),
						got[row*m.Config.VocabSize:(row+1)*m.Config.VocabSize], wholeLogits(t, e, texts[s][:read[s]]), rounding)
				}
			}
		}
	})
}

func TestALongPromptInChunksHasTheLogitsOfTheWhole(t *testing.T) {
	for name, c := range longConfigs() {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, c)
			g := NewGenerator(newExecutor(t, m))
			for _, length := range []int{chunk - 1, chunk, chunk + 1, 2*chunk + 299} {
				text := randomText(c, length)
				got := generate(t, g, [][]int32{text}, Sampling{TopP: 1, MaxTokens: 2}, c.VocabSize)[0]
				if steps := (length + chunk - 1) / chunk; g.executor.runs != steps+1 {
					t.Errorf("%d tokens and one more took %d runs, want %d", length, g.executor.runs, steps+1)
				}
				for _, choice := range got {
					sameChoice(t, choice, wholeLogits(t, g.executor, text))
					text = append(text, choice.Token)
				}
				g.executor.runs = 0
			}
		})
	}
}

// sameChoice holds a greedy choice with all candidates against logits of the same position.
func sameChoice(t *testing.T, got Choice, logits []float32) {
	t.Helper()
	want := rank(t, logits)
	if got.Token != want[0].Token {
		t.Fatalf("chosen was token %d, the whole text has %d", got.Token, want[0].Token)
	}
	for _, c := range got.Top {
		at := slices.IndexFunc(want, func(w Candidate) bool { return w.Token == c.Token })
		if math.Abs(c.Probability-want[at].Probability) > 1e-5 {
			t.Fatalf("token %d has the probability %g, in the whole text %g", c.Token, c.Probability, want[at].Probability)
		}
	}
}

func TestGreedyTextsAreThoseOfTheWholeText(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		g := NewGenerator(e)
		for _, n := range []int{1, 3, 9} {
			prompt := randomText(m.Config, n)
			text := slices.Clone(prompt)
			for _, c := range generate(t, g, [][]int32{prompt}, Sampling{TopP: 1}, m.Config.VocabSize)[0] {
				sameChoice(t, c, wholeLogits(t, e, text))
				text = append(text, c.Token)
			}
			if len(text) != m.Config.Context+1 {
				t.Errorf("a prompt of %d became a text of %d tokens, want one more than the context of %d", n, len(text), m.Config.Context)
			}
		}
	})
}

// What slides goes on with the newer half of a full context, as if the text began there.
func TestSlidingGoesOnFromTheNewerHalfOfTheContext(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		prompt, context := randomText(m.Config, 5), m.Config.Context
		text, begin, slides := slices.Clone(prompt), 0, 0
		for _, c := range generate(t, NewGenerator(e), [][]int32{prompt}, Sampling{TopP: 1, MaxTokens: 30, Slide: true}, m.Config.VocabSize)[0] {
			if len(text)-begin > context {
				begin = len(text) - context/2
				slides++
			}
			sameChoice(t, c, wholeLogits(t, e, text[begin:]))
			text = append(text, c.Token)
		}
		if len(text) != 35 || slides < 4 {
			t.Errorf("%d tokens with %d slides, want 35 and several", len(text), slides)
		}
	})
}

// Sequences come and go, and wait for places and for room in a batch; none of this changes a bit of what becomes of a prompt.
func TestOtherPromptsDoNotChangeABit(t *testing.T) {
	for name, c := range longConfigs() {
		t.Run(name, func(t *testing.T) {
			c.EOS = 3
			m := newModel(t, c)
			crowded, alone := NewGenerator(newExecutor(t, m)), NewGenerator(newExecutor(t, m))
			crowded.limit = c.CacheSize(3000)
			var requests []Request
			for i := range 40 {
				s := Sampling{Temperature: 1.3, TopP: 1, Seed: uint64(i), MaxTokens: 1 + i*7%23, Slide: i%2 == 0}
				length := 1 + i*i%19
				if i%10 == 4 {
					length = 300 * (i/10 + 1)
				}
				requests = append(requests, Request{Prompt: randomText(c, length), Sampling: s, Top: 2})
			}
			got := make([][]Choice, len(requests))
			most := 0
			if err := crowded.Stream(t.Context(), requests, func(i int, choice Choice) bool {
				got[i] = append(got[i], choice)
				most = max(most, len(crowded.open))
				return true
			}); err != nil {
				t.Fatal(err)
			}
			if places := crowded.executor.Places(); places > 3000 || most < 3 || most == len(requests) {
				t.Errorf("%d sequences at a time in %d places: the test needs some that wait", most, places)
			}
			for i, r := range requests {
				if want := generate(t, alone, [][]int32{r.Prompt}, r.Sampling, r.Top)[0]; !slices.EqualFunc(got[i], want, equalChoices) {
					t.Fatalf("request %d is continued by\n%v among others, alone by\n%v", i, got[i], want)
				}
			}
		})
	}
}

func equalChoices(a, b Choice) bool { return a.Candidate == b.Candidate && slices.Equal(a.Top, b.Top) }

func TestCallsOfSeveralGoroutinesShareBatches(t *testing.T) {
	const callers, length = 8, 60
	m := newModel(t, longConfigs()["gpt2"])
	g := NewGenerator(newExecutor(t, m))
	s := Sampling{Temperature: 1, TopP: 1, MaxTokens: length}
	var want [callers][]Choice
	for i := range want {
		want[i] = generate(t, g, [][]int32{{int32(i)}}, s, 0)[0]
	}
	g.executor.runs = 0
	var got [callers][]Choice
	calls := make([]*call, callers)
	for i := range calls {
		calls[i] = &call{ctx: t.Context(), open: 1, each: func(_ int, c Choice) bool {
			got[i] = append(got[i], c)
			return true
		}}
		g.join(calls[i], []Request{{Prompt: []int32{int32(i)}, Sampling: s}})
	}
	var group sync.WaitGroup
	for i, c := range calls {
		group.Go(func() {
			if err := g.finish(c); err != nil || !slices.EqualFunc(got[i], want[i], equalChoices) {
				t.Errorf("caller %d has %d tokens with error %v, or other ones than alone", i, len(got[i]), err)
			}
		})
	}
	group.Wait()
	if g.executor.runs != length {
		t.Errorf("%d callers of %d tokens took %d runs: they do not share batches", callers, length, g.executor.runs)
	}
}

// The end of one call leaves the others alone.
func TestACallThatIsBrokenOffGivesItsPlacesBack(t *testing.T) {
	g := newTestGenerator(t, Learned)
	s := Sampling{Temperature: 3, TopP: 1, MaxTokens: 100, Slide: true}
	for range 3 {
		count := 0
		func() {
			defer func() { recover() }()
			g.Stream(t.Context(), []Request{{Prompt: []int32{2}, Sampling: s}, {Prompt: []int32{3}, Sampling: s}}, func(int, Choice) bool {
				if count++; count == 5 {
					panic("the caller fails")
				}
				return true
			})
		}()
	}
	if len(g.open) != 0 || len(g.waiting) != 0 || len(g.places.gaps) != 1 || g.places.gaps[0] != (gap{0, g.executor.Places()}) {
		t.Errorf("%d sequences are open, %d waiting, and of %d places these are free: %v", len(g.open), len(g.waiting), g.places.size, g.places.gaps)
	}
}

func TestTheCacheHasThePlacesThatAreNeeded(t *testing.T) {
	m := newModel(t, longConfigs()["gpt2"])
	e := newExecutor(t, m)
	g := NewGenerator(e)
	for _, c := range []struct{ prompts, length, tokens, want int }{
		{1, 5, 4, 8}, {1, 5, 5, 16}, {3, 10, 7, 64}, {1, 2, 1, 64}, {1, 100, 0, 2048},
	} {
		var prompts [][]int32
		for range c.prompts {
			prompts = append(prompts, randomText(m.Config, c.length))
		}
		generate(t, g, prompts, Sampling{TopP: 1, MaxTokens: c.tokens}, 0)
		if e.Places() != c.want {
			t.Errorf("%d prompts of %d tokens and %d more: %d places, want %d", c.prompts, c.length, c.tokens, e.Places(), c.want)
		}
	}
	for key := range e.programs {
		if key.Places != 2048 {
			t.Errorf("a program for a cache of %d places is kept", key.Places)
		}
	}
	if got, want := m.Config.CacheSize(10), 10*2*2*16*4; got != want {
		t.Errorf("the cache of 10 tokens of 2 layers of 16 columns has %d bytes, want %d", got, want)
	}
	if err := e.Reserve(1 << 40); err == nil || !strings.Contains(err.Error(), "keys and values of 1099511627776 tokens") {
		t.Errorf("a cache of a petabyte: error %v", err)
	}
}

func TestASteadyTokenAllocatesNothing(t *testing.T) {
	m := newModel(t, longConfigs()["llama"])
	g := NewGenerator(newExecutor(t, m))
	var before, after runtime.MemStats
	count := 0
	s := Sampling{Temperature: 1, TopK: 10, TopP: 0.9, MinP: 0.01, RepetitionPenalty: 1.1, MaxTokens: 1200}
	if err := g.Stream(t.Context(), []Request{{Prompt: []int32{1, 2}, Sampling: s}}, func(int, Choice) bool {
		switch count++; count {
		case 100:
			runtime.ReadMemStats(&before)
		case 1100:
			runtime.ReadMemStats(&after)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	// The text itself grows, by doubling.
	if n, size := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc; n > 20 || size > 32<<10 {
		t.Errorf("1,000 tokens made %d allocations of %d bytes", n, size)
	}
}
