package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
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
		VocabSize: 11, Context: 9, Width: 16, Layers: 2, Heads: 2, MLPWidth: 32,
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
			prompts := randomPrompts(2*promptsAtOnce(g.executor.model.Config.Context) + 1)
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

func TestPromptsOfALongContextGoThroughTheModelInSmallGroups(t *testing.T) {
	for context, want := range map[int]int{12: 128, 32: 128, 1024: 4, 1 << 24: 1} {
		if got := promptsAtOnce(context); got != want {
			t.Errorf("%d prompts at once with a context of %d, want %d", got, context, want)
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

func TestRankIsTheSoftmaxInOrder(t *testing.T) {
	got := Rank([]float32{0, 3, 1, 3, -1000})
	sum := 1 + 2*math.Exp(3) + math.Exp(1)
	want := []Candidate{{1, math.Exp(3) / sum}, {3, math.Exp(3) / sum}, {2, math.Exp(1) / sum}, {0, 1 / sum}, {4, 0}}
	for i := range want {
		if got[i].Token != want[i].Token || math.Abs(got[i].Probability-want[i].Probability) > 1e-12 {
			t.Fatalf("ranked as %v, want %v", got, want)
		}
	}
	repeating := make([]float32, 100)
	for i := range repeating {
		repeating[i] = float32(i * 7 % 5)
	}
	for i, c := range Rank(repeating)[1:] {
		if before := Rank(repeating)[i]; c.Probability == before.Probability && c.Token < before.Token {
			t.Fatalf("of equals token %d comes behind token %d, want the order of the ids", c.Token, before.Token)
		}
	}
	// Sizes at which e^x itself is infinite or zero.
	for _, shift := range []float32{1e4, -1e4} {
		if p := Rank([]float32{shift, shift + 1})[0].Probability; math.Abs(p-1/(1+math.Exp(-1))) > 1e-12 {
			t.Errorf("logits of %g and one more have the probability %g", shift, p)
		}
	}
}

// ranked are candidates with some probabilities, the last of them impossible.
var ranked = []Candidate{{7, 0.4}, {2, 0.3}, {5, 0.15}, {1, 0.1}, {9, 0.05}, {4, 0}}

// TestSamplesHaveTheDistribution draws often and holds the frequencies against the probabilities by Pearson's χ². With 1 to 4 degrees of
// freedom it exceeds 24 by chance less than once in 10,000 times, and the seed is fixed.
func TestSamplesHaveTheDistribution(t *testing.T) {
	const draws = 20000
	normalize := func(weights ...float64) map[int32]float64 {
		var sum float64
		for _, w := range weights {
			sum += w
		}
		want := make(map[int32]float64)
		for i, w := range weights {
			want[ranked[i].Token] = w / sum
		}
		return want
	}
	square, root := func(v float64) float64 { return v * v }, math.Sqrt
	for _, c := range []struct {
		name string
		s    Sampling
		want map[int32]float64
	}{
		{"as predicted", Sampling{Temperature: 1, TopP: 1}, normalize(0.4, 0.3, 0.15, 0.1, 0.05)},
		{"temperature 0.5", Sampling{Temperature: 0.5, TopP: 1}, normalize(square(0.4), square(0.3), square(0.15), square(0.1), square(0.05))},
		{"temperature 2", Sampling{Temperature: 2, TopP: 1}, normalize(root(0.4), root(0.3), root(0.15), root(0.1), root(0.05))},
		{"top-k 2", Sampling{Temperature: 1, TopP: 1, TopK: 2}, normalize(0.4, 0.3)},
		{"top-k of more than there are", Sampling{Temperature: 1, TopP: 1, TopK: 100}, normalize(0.4, 0.3, 0.15, 0.1, 0.05)},
		{"top-p 0.39", Sampling{Temperature: 1, TopP: 0.39}, normalize(0.4)},
		{"top-p 0.41", Sampling{Temperature: 1, TopP: 0.41}, normalize(0.4, 0.3)},
		{"top-p 0.84", Sampling{Temperature: 1, TopP: 0.84}, normalize(0.4, 0.3, 0.15)},
		{"top-p 0.86", Sampling{Temperature: 1, TopP: 0.86}, normalize(0.4, 0.3, 0.15, 0.1)},
		// Top-p is of what the temperature and top-k have left: 0.4 is 0.57 of the first two.
		{"top-k 2, then top-p 0.5", Sampling{Temperature: 1, TopP: 0.5, TopK: 2}, normalize(0.4)},
		{"top-k 2, then top-p 0.6", Sampling{Temperature: 1, TopP: 0.6, TopK: 2}, normalize(0.4, 0.3)},
	} {
		random := rand.New(rand.NewPCG(11, 0))
		count := make(map[int32]int)
		for range draws {
			count[choose(ranked, c.s, random).Token]++
		}
		var chi2 float64
		for token, n := range count {
			p := c.want[token]
			if p == 0 {
				t.Errorf("%s: token %d was drawn %d times, want never", c.name, token, n)
				continue
			}
			chi2 += square(float64(n)-p*draws) / (p * draws)
		}
		if chi2 > 24 || len(count) != len(c.want) {
			t.Errorf("%s: drawn were %v, which deviates from %v by χ² = %.1f", c.name, count, c.want, chi2)
		}
	}
}

func TestChooseLeavesTheCandidatesAsTheyAre(t *testing.T) {
	before := slices.Clone(ranked)
	random := rand.New(rand.NewPCG(1, 0))
	got := make(map[Candidate]bool)
	for range 1000 {
		got[choose(ranked, Sampling{Temperature: 3, TopP: 0.9, TopK: 4}, random)] = true
	}
	for c := range got {
		if !slices.Contains(before, c) {
			t.Errorf("chosen was %v, which is no candidate: the probability is the model's", c)
		}
	}
	if !reflect.DeepEqual(ranked, before) {
		t.Errorf("candidates became %v", ranked)
	}
}

func TestTemperature0AndTopK1AreGreedy(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	for range 100 {
		for _, s := range []Sampling{
			{TopP: 1}, {Temperature: 100, TopK: 1, TopP: 1}, {Temperature: 1e-3, TopP: 1}, {Temperature: 1, TopP: math.SmallestNonzeroFloat64},
		} {
			if got := choose(ranked, s, random); got != ranked[0] {
				t.Fatalf("%+v chose %v, want the likeliest", s, got)
			}
		}
	}
}

func TestSamplingNamesTheFlagThatIsImpossible(t *testing.T) {
	for _, good := range []Sampling{{TopP: 1}, {Temperature: 100, TopK: 5, TopP: 0.01, MaxTokens: 3, Seed: math.MaxUint64}} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for want, s := range map[string]Sampling{
		"temperature -1: expected 0 (greedy) to 100":               {Temperature: -1, TopP: 1},
		"temperature NaN: expected 0 (greedy) to 100":              {Temperature: math.NaN(), TopP: 1},
		"temperature +Inf: expected 0 (greedy) to 100":             {Temperature: math.Inf(1), TopP: 1},
		"top_k -1: expected 0 (no limit) or more":                  {TopK: -1, TopP: 1},
		"top_p 0: expected more than 0 and at most 1 (no limit)":   {},
		"top_p 1.5: expected more than 0 and at most 1 (no limit)": {TopP: 1.5},
		"top_p NaN: expected more than 0 and at most 1 (no limit)": {TopP: math.NaN()},
		"max_tokens -1: expected 0 (no limit) or more":             {TopP: 1, MaxTokens: -1},
	} {
		if err := s.Validate(); fault.ExitCode(err) != fault.ExitUsage || err.Error() != want {
			t.Errorf("%+v: error is %v, want %s", s, err, want)
		}
	}
}
