package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/fault"
)

// newTestGenerator returns a generator of a small model with random weights. They are large, so that its predictions are far from equal.
func newTestGenerator(t testing.TB, positions Positions) *Generator {
	t.Helper()
	c := Config{
		Architecture: GPT2, VocabSize: 11, Context: 9, Width: 16, Layers: 2, Heads: 2, MLPWidth: 32,
		Epsilon: 1e-5, Positions: positions, RopeTheta: DefaultRopeTheta, BOS: NoToken, EOS: 1, PAD: 0,
	}
	m, err := New(c, 5)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Parameters {
		if p := &m.Parameters[i]; p.IsMatrix() {
			for j := range p.Value {
				p.Value[j] *= 20
			}
		}
	}
	backend := cpu.New(1, kernel.Best())
	t.Cleanup(func() { backend.Close() })
	return NewGenerator(NewExecutor(m, backend))
}

// randomPrompts are n prompts of every length that the model allows, without the end token.
func randomPrompts(n int) [][]int32 {
	random := rand.New(rand.NewPCG(1, 2))
	var prompts [][]int32
	for i := range n {
		prompt := make([]int32, 1+i%9)
		for j := range prompt {
			prompt[j] = 2 + random.Int32N(9)
		}
		prompts = append(prompts, prompt)
	}
	return prompts
}

func generate(t testing.TB, g *Generator, prompts [][]int32, s Sampling, top int) [][]Choice {
	t.Helper()
	results, err := g.Generate(prompts, s, top)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func tokens(choices []Choice) []int32 {
	var list []int32
	for _, c := range choices {
		list = append(list, c.Token)
	}
	return list
}

func TestPromptsTogetherAreAnsweredAsAlone(t *testing.T) {
	for _, positions := range []Positions{Learned, Sinusoidal, Rotary} {
		for name, s := range map[string]Sampling{"greedy": {TopP: 1}, "sampled": {Temperature: 1.5, TopP: 0.95, Seed: 3}} {
			g := newTestGenerator(t, positions)
			prompts := randomPrompts(2*maxSequences + 1)
			together := generate(t, g, prompts, s, 3)
			lengths := make(map[int]bool)
			for i, p := range prompts {
				alone := generate(t, g, [][]int32{p}, s, 3)[0]
				if !slices.Equal(tokens(together[i]), tokens(alone)) {
					t.Fatalf("%s, %s: prompt %v is continued by %v together with others, by %v alone",
						positions, name, p, tokens(together[i]), tokens(alone))
				}
				for j, c := range alone {
					if d := math.Abs(c.Probability - together[i][j].Probability); d > 1e-5 {
						t.Errorf("%s, %s: prompt %v: the probability of token %d differs by %g", positions, name, p, j, d)
					}
				}
				lengths[len(alone)] = true
			}
			if len(lengths) < 4 {
				t.Errorf("%s, %s: answers have the lengths %v only: the test needs prompts that end at different times", positions, name, lengths)
			}
		}
	}
}

// Evaluation looks at all positions of a finished text at once, which is another path to the same probabilities.
func TestProbabilitiesAreThoseOfEvaluation(t *testing.T) {
	g := newTestGenerator(t, Learned)
	for _, prompt := range randomPrompts(30) {
		choices := generate(t, g, [][]int32{prompt}, Sampling{Temperature: 1, TopP: 1}, 0)[0]
		text := append(slices.Clone(prompt), tokens(choices)...)
		last := len(text) - 1
		targets := slices.Clone(text[1:])
		for i := range len(prompt) - 1 {
			targets[i] = -1
		}
		var b Batch
		b.Reset()
		b.Add(text[:last], targets)
		r, err := g.executor.Run(&b, Evaluate, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range choices {
			if want := math.Exp(-float64(r.NLL[i])); math.Abs(c.Probability-want) > 1e-5 {
				t.Errorf("prompt %v: token %d has the probability %g, in evaluation %g", prompt, i, c.Probability, want)
			}
		}
	}
}

func TestGenerateLeavesWhatStandsBehindAPrompt(t *testing.T) {
	g := newTestGenerator(t, Learned)
	text := []int32{2, 3, 4, -7, -7, -7, -7}
	generate(t, g, [][]int32{text[:3]}, Sampling{TopP: 1}, 0)
	if want := []int32{2, 3, 4, -7, -7, -7, -7}; !slices.Equal(text, want) {
		t.Errorf("the memory of the prompt holds %v, want %v", text, want)
	}
}

func TestGenerationEndsAtTheEndTokenTheLimitOrTheFullContext(t *testing.T) {
	g := newTestGenerator(t, Learned)
	seen := make(map[string]bool)
	for _, limit := range []int{0, 2} {
		prompts := randomPrompts(100)
		for i, choices := range generate(t, g, prompts, Sampling{Temperature: 1, TopP: 1, MaxTokens: limit}, 0) {
			list := tokens(choices)
			last := len(list) - 1
			if at := slices.Index(list, 1); at >= 0 && at != last {
				t.Fatalf("%v goes on behind the end token", list)
			}
			// The last token is predicted from a full context and does not enter it.
			room := 9 - len(prompts[i]) + 1
			switch {
			case list[last] == 1:
				seen["end token"] = true
			case len(list) == limit:
				seen["limit"] = true
			case len(list) == room:
				seen["context"] = true
			default:
				t.Errorf("prompt %v is continued by %v, which ends neither by the end token nor after %d tokens nor at the context of 9",
					prompts[i], list, limit)
			}
			if len(list) > room || limit > 0 && len(list) > limit {
				t.Errorf("prompt %v is continued by %d tokens, more than there is room for", prompts[i], len(list))
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("answers ended by %v only", seen)
	}
}

func TestGreedyTakesTheLikeliestOfTheTop(t *testing.T) {
	g := newTestGenerator(t, Rotary)
	for _, choices := range generate(t, g, randomPrompts(50), Sampling{TopP: 1}, 4) {
		for _, c := range choices {
			if len(c.Top) != 4 || c.Top[0] != c.Candidate {
				t.Fatalf("chosen is %v of %v, want the first of four", c.Candidate, c.Top)
			}
		}
	}
	for _, c := range generate(t, g, randomPrompts(1), Sampling{TopP: 1}, 1000)[0] {
		if len(c.Top) != 11 {
			t.Errorf("%d candidates of 11 tokens", len(c.Top))
		}
	}
}

func TestGenerateRefusesPromptsThatDoNotFit(t *testing.T) {
	g := newTestGenerator(t, Learned)
	for _, prompt := range [][]int32{{}, make([]int32, 10)} {
		_, err := g.Generate([][]int32{{2}, prompt}, Sampling{TopP: 1}, 0)
		want := fmt.Sprintf("prompt 2 has %d tokens: expected 1 to 9, the context of the model", len(prompt))
		if fault.ExitCode(err) != fault.ExitData || err.Error() != want {
			t.Errorf("error is %v, want a data error: %s", err, want)
		}
	}
	if results := generate(t, g, nil, Sampling{TopP: 1}, 0); len(results) != 0 {
		t.Errorf("no prompts have the answers %v", results)
	}
}

func TestGenerateSaysThatWeightsAreBroken(t *testing.T) {
	g := newTestGenerator(t, Learned)
	g.executor.model.Parameter("transformer.ln_f.bias").Value[3] = float32(math.NaN())
	if _, err := g.Generate([][]int32{{2}}, Sampling{TopP: 1}, 0); err == nil {
		t.Error("logits of NaN are no error")
	}
}

func TestEachRequestHasItsOwnSampling(t *testing.T) {
	g := newTestGenerator(t, Learned)
	requests := []Request{
		{Prompt: []int32{2, 3}, Sampling: Sampling{TopP: 1}},
		{Prompt: []int32{2, 3}, Sampling: Sampling{Temperature: 3, TopP: 1, Seed: 1}, Top: 2},
		{Prompt: []int32{2, 3}, Sampling: Sampling{Temperature: 3, TopP: 1, Seed: 2, MaxTokens: 3, Slide: true}},
		{Prompt: []int32{4}, Sampling: Sampling{Temperature: 1, TopP: 1, Seed: 1, MaxTokens: 30, Slide: true}, Top: 1},
	}
	got := make([][]Choice, len(requests))
	err := g.Stream(t.Context(), requests, func(i int, c Choice) bool {
		got[i] = append(got[i], c)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range requests {
		want := generate(t, g, [][]int32{r.Prompt}, r.Sampling, r.Top)[0]
		if !slices.Equal(tokens(got[i]), tokens(want)) || len(got[i][0].Top) != r.Top {
			t.Errorf("request %d is continued by %v, alone by %v", i, got[i], want)
		}
	}
	if slices.Equal(tokens(got[1]), tokens(got[2])) {
		t.Errorf("two seeds continue by %v alike", tokens(got[1]))
	}
}

func TestARequestEndsWhereItsCallerSaysSo(t *testing.T) {
	g := newTestGenerator(t, Learned)
	s := Sampling{Temperature: 3, TopP: 1, Seed: 2, MaxTokens: 200, Slide: true}
	requests := []Request{{Prompt: []int32{2}, Sampling: s}, {Prompt: []int32{3, 4}, Sampling: s}}
	want := generate(t, g, [][]int32{{3, 4}}, s, 0)[0]
	counts := make([]int, 2)
	err := g.Stream(t.Context(), requests, func(i int, c Choice) bool {
		counts[i]++
		return i != 0 || counts[0] < 2
	})
	if err != nil || len(want) < 4 || counts[0] != 2 || counts[1] != len(want) {
		t.Errorf("%v tokens with error %v, want 2 and all %d", counts, err, len(want))
	}
}

func TestTheEndOfItsContextEndsAStream(t *testing.T) {
	g := newTestGenerator(t, Learned)
	ctx, cancel := context.WithCancel(t.Context())
	prompts := randomPrompts(300)
	requests, got := make([]Request, len(prompts)), 0
	for i, p := range prompts {
		requests[i] = Request{Prompt: p, Sampling: Sampling{TopP: 1, MaxTokens: 1000, Slide: true}}
	}
	err := g.Stream(ctx, requests, func(int, Choice) bool {
		got++
		cancel()
		return true
	})
	if !errors.Is(err, context.Canceled) || got != 1 {
		t.Errorf("%d tokens with error %v, want 1 and %v", got, err, context.Canceled)
	}
}

func TestAPenaltyChangesTheChoiceAndNoProbability(t *testing.T) {
	g := newTestGenerator(t, Learned)
	differ := 0
	for _, prompt := range randomPrompts(40) {
		plain := generate(t, g, [][]int32{prompt}, Sampling{TopP: 1}, 11)[0][0]
		penalized := generate(t, g, [][]int32{prompt}, Sampling{TopP: 1, RepetitionPenalty: 100}, 11)[0][0]
		if !slices.Equal(plain.Top, penalized.Top) || !slices.Contains(plain.Top, penalized.Candidate) {
			t.Fatalf("%v: with a penalty the model says %v, without %v", prompt, penalized, plain)
		}
		if plain.Token != penalized.Token {
			differ++
			if !slices.Contains(prompt, plain.Token) {
				t.Errorf("%v: the penalty forbids %d, which the prompt has not", prompt, plain.Token)
			}
		}
	}
	if differ == 0 {
		t.Error("the penalty changes nothing: the test needs prompts whose tokens would come again")
	}
}

func TestScoresAreTheProbabilitiesOfGeneration(t *testing.T) {
	g := newTestGenerator(t, Rotary)
	for _, prompt := range randomPrompts(20) {
		choices := generate(t, g, [][]int32{prompt}, Sampling{Temperature: 1, TopP: 1}, 3)[0]
		text := append(slices.Clone(prompt), tokens(choices)...)
		text = text[:min(len(text), 9)]
		scores, err := g.Score(text, 3)
		if err != nil || len(scores) != len(text)-1 {
			t.Fatalf("%v: scores %v with error %v", text, scores, err)
		}
		for i, want := range choices[:len(text)-len(prompt)] {
			got := scores[len(prompt)-1+i]
			if got.Token != want.Token || math.Abs(got.LogProbability()-math.Log(want.Probability)) > 1e-3 || len(got.Top) != 3 {
				t.Errorf("%v: token %d scores %v, generated was %v", text, i, got, want)
			}
		}
	}
	if _, err := g.Score(make([]int32, 10), 0); fault.ExitCode(err) != fault.ExitData {
		t.Errorf("a text that is longer than the context has the error %v", err)
	}
}
