package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"trainer/internal/fault"
)

func rank(t testing.TB, logits []float32) []Candidate {
	t.Helper()
	ranked, err := Rank(logits)
	if err != nil {
		t.Fatal(err)
	}
	return ranked
}

func TestRankIsTheSoftmaxInOrder(t *testing.T) {
	got := rank(t, []float32{0, 3, 1, 3, -1000})
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
	for i, c := range rank(t, repeating)[1:] {
		if before := rank(t, repeating)[i]; c.Probability == before.Probability && c.Token < before.Token {
			t.Fatalf("of equals token %d comes behind token %d, want the order of the ids", c.Token, before.Token)
		}
	}
	// Sizes at which e^x itself is infinite or zero.
	for _, shift := range []float32{1e4, -1e4} {
		if p := rank(t, []float32{shift, shift + 1})[0].Probability; math.Abs(p-1/(1+math.Exp(-1))) > 1e-12 {
			t.Errorf("logits of %g and one more have the probability %g", shift, p)
		}
	}
}

// probabilities are of some tokens, the likeliest first and the last of them impossible.
var probabilities = []Candidate{{7, 0.4}, {2, 0.3}, {5, 0.15}, {1, 0.1}, {9, 0.05}, {4, 0}}

// rankingOf is the ranking of these probabilities; other tokens are impossible.
func rankingOf(t *testing.T, candidates []Candidate) *ranking {
	t.Helper()
	logits := slices.Repeat([]float32{float32(math.Inf(-1))}, 12)
	for _, c := range candidates {
		logits[c.Token] = float32(math.Log(c.Probability))
	}
	r := &ranking{}
	if err := r.read(logits); err != nil {
		t.Fatal(err)
	}
	return r
}

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
			want[probabilities[i].Token] = w / sum
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
		{"min-p 0.3", Sampling{Temperature: 1, TopP: 1, MinP: 0.3}, normalize(0.4, 0.3, 0.15)},
		{"top-k 2, then top-p 0.6", Sampling{Temperature: 1, TopP: 0.6, TopK: 2}, normalize(0.4, 0.3)},
	} {
		random, r := rand.New(rand.NewPCG(11, 0)), rankingOf(t, probabilities)
		count := make(map[int32]int)
		for range draws {
			count[r.draw(c.s, random)]++
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

func TestTemperature0AndTopK1AreGreedy(t *testing.T) {
	var m sampler
	random := rand.New(rand.NewPCG(1, 0))
	for range 100 {
		for _, s := range []Sampling{
			{TopP: 1}, {Temperature: 100, TopK: 1, TopP: 1}, {Temperature: 1e-3, TopP: 1}, {Temperature: 1, TopP: math.SmallestNonzeroFloat64},
		} {
			if got, err := m.next([]float32{1, 4, 2, 3}, s, nil, random, 0); err != nil || got.Token != 1 {
				t.Fatalf("%+v chose %v with error %v, want the likeliest", s, got, err)
			}
		}
	}
}

// walk draws as one does who has sorted all tokens: it walks through them until their weights come to a share of all.
func walk(ranked []Candidate, s Sampling, random *rand.Rand) int32 {
	if s.TopK > 0 {
		ranked = ranked[:min(s.TopK, len(ranked))]
	}
	weights, total := make([]float64, len(ranked)), 0.0
	for i, c := range ranked {
		weights[i] = math.Pow(c.Probability/ranked[0].Probability, 1/s.Temperature)
		total += weights[i]
	}
	kept := 0.0
	for i, w := range weights {
		if w < s.MinP {
			weights = weights[:i]
			break
		}
		if kept += w; s.TopP < 1 && kept >= s.TopP*total {
			weights = weights[:i+1]
			break
		}
	}
	total = 0
	for _, w := range weights {
		total += w
	}
	at := random.Float64() * total
	for i, w := range weights {
		if at -= w; at < 0 {
			return ranked[i].Token
		}
	}
	return ranked[len(weights)-1].Token
}

func TestDrawsAndTheLikeliestAreThoseOfASortedVocabulary(t *testing.T) {
	random, seen := rand.New(rand.NewPCG(3, 7)), make(map[int32]bool)
	var m sampler
	for round := range 400 {
		logits := make([]float32, 1+random.IntN(3000))
		for i := range logits {
			logits[i] = float32(random.NormFloat64() * 3)
			if round%3 == 0 {
				logits[i] = float32(math.Round(float64(logits[i]))) // many equals
			}
		}
		s := Sampling{Temperature: 0.2 + 2*random.Float64(), TopP: 1}
		if random.IntN(2) == 0 {
			s.Temperature = 1
		}
		if random.IntN(3) == 0 {
			s.TopK = 1 + random.IntN(300)
		}
		if random.IntN(3) == 0 {
			s.TopP = 1 - random.Float64()
		}
		if random.IntN(3) == 0 {
			s.MinP = random.Float64() / 2
		}
		top, seed := random.IntN(100), random.Uint64()
		got, err := m.next(logits, s, nil, rand.New(rand.NewPCG(seed, 0)), top)
		if err != nil {
			t.Fatal(err)
		}
		ranked := rank(t, logits)
		want := walk(ranked, s, rand.New(rand.NewPCG(seed, 0)))
		at := slices.IndexFunc(ranked, func(c Candidate) bool { return c.Token == want })
		if got.Candidate != ranked[at] || !slices.Equal(got.Top, ranked[:min(top, len(ranked))]) {
			t.Fatalf("round %d, %+v: drawn was %v of %v, want %v of %v", round, s, got.Candidate, got.Top, ranked[at], ranked[:min(top, len(ranked))])
		}
		seen[want] = true
	}
	if len(seen) < 200 {
		t.Errorf("only %d tokens were drawn: the test needs more", len(seen))
	}
}

func TestSamplingNamesTheFlagThatIsImpossible(t *testing.T) {
	for _, good := range []Sampling{
		{TopP: 1}, {Temperature: 100, TopK: 5, TopP: 0.01, MaxTokens: 3, Seed: math.MaxUint64},
		{TopP: 1, MinP: 1, RepetitionPenalty: 1.2, MaxTokens: 5, Slide: true},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for want, s := range map[string]Sampling{
		"temperature -1: expected 0 (greedy) to 100":                                                     {Temperature: -1, TopP: 1},
		"temperature NaN: expected 0 (greedy) to 100":                                                    {Temperature: math.NaN(), TopP: 1},
		"temperature +Inf: expected 0 (greedy) to 100":                                                   {Temperature: math.Inf(1), TopP: 1},
		"top_k -1: expected 0 (no limit) or more":                                                        {TopK: -1, TopP: 1},
		"top_p 0: expected more than 0 and at most 1 (no limit)":                                         {},
		"top_p 1.5: expected more than 0 and at most 1 (no limit)":                                       {TopP: 1.5},
		"top_p NaN: expected more than 0 and at most 1 (no limit)":                                       {TopP: math.NaN()},
		"min_p 1.5: expected 0 (no limit) to 1":                                                          {TopP: 1, MinP: 1.5},
		"min_p NaN: expected 0 (no limit) to 1":                                                          {TopP: 1, MinP: math.NaN()},
		"repetition_penalty -1: expected more than 0 and at most 100; 1 is none":                         {TopP: 1, RepetitionPenalty: -1},
		"slide: the context is no limit then: expected max_tokens too, a number of tokens to stop after": {TopP: 1, Slide: true},
		"max_tokens -1: expected 0 (no limit) or more":                                                   {TopP: 1, MaxTokens: -1},
	} {
		if err := s.Validate(); fault.ExitCode(err) != fault.ExitUsage || err.Error() != want {
			t.Errorf("%+v: error is %v, want %s", s, err, want)
		}
	}
}

// TestTheFiltersAreTheirDefinitions holds what can be drawn of random distributions against the definitions, token by token.
func TestTheFiltersAreTheirDefinitions(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	sizes := make(map[int]bool)
	var r ranking
	for range 3000 {
		logits := make([]float32, 1+random.IntN(12))
		for i := range logits {
			logits[i] = float32(random.NormFloat64() * 3)
		}
		s := Sampling{Temperature: 0.2 + 2*random.Float64(), TopK: random.IntN(14), TopP: 1 - random.Float64(), MinP: random.Float64() / 2}
		if random.IntN(3) == 0 {
			s.TopP, s.MinP = 1, 0
		}

		// p is softmax(logits/T) among the K likeliest.
		p, sum := make(map[int32]float64), 0.0
		for i, v := range logits {
			likelier := 0
			for _, w := range logits {
				if w > v {
					likelier++
				}
			}
			if s.TopK == 0 || likelier < s.TopK {
				p[int32(i)] = math.Exp(float64(v) / s.Temperature)
				sum += p[int32(i)]
			}
		}
		largest := 0.0
		for token := range p {
			p[token] /= sum
			largest = max(largest, p[token])
		}
		want, total := make(map[int32]float64), 0.0
		for token, v := range p {
			before := 0.0 // the probability of those that are likelier
			for _, w := range p {
				if w > v {
					before += w
				}
			}
			if before < s.TopP && v >= s.MinP*largest {
				want[token] = v
				total += v
			}
		}

		if err := r.read(logits); err != nil {
			t.Fatal(err)
		}
		tokens, weights := r.drawable(s)
		sum = sumOf(weights, tokens)
		for _, token := range tokens {
			if got := weights[token] / sum; math.Abs(got-want[token]/total) > 1e-6 {
				t.Fatalf("%v of %+v: token %d is drawn with probability %g, want %g", logits, s, token, got, want[token]/total)
			}
		}
		for token, p := range want {
			if p > 1e-9 && !slices.Contains(tokens, token) { // less is lost to rounding
				t.Fatalf("%v of %+v: %v can be drawn, want %v", logits, s, tokens, want)
			}
		}
		sizes[len(tokens)] = true
	}
	if len(sizes) < 10 {
		t.Errorf("sets of %v tokens only were drawn from", sizes)
	}
}

func TestTheRepetitionPenaltyIsThatOfHuggingFace(t *testing.T) {
	logits := []float32{2, -1, 0, 3, -4}
	before := slices.Clone(logits)
	// A token that occurs twice is penalized once.
	got := make([]float32, len(logits))
	penalize(got, logits, []int32{0, 1, 0, 2, 1}, 1.25)
	if want := []float32{1.6, -1.25, 0, 3, -4}; !slices.Equal(got, want) || !slices.Equal(logits, before) {
		t.Errorf("penalized logits are %v, want %v; the logits became %v", got, want, logits)
	}
}
