package model

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"trainer/internal/fault"
)

// Sampling says how the next token is chosen. In this order: the repetition penalty changes the logits, the temperature the distribution;
// top-k, top-p and min-p say which tokens can be drawn.
type Sampling struct {
	Temperature       float64 // 0 takes the likeliest token; 1 samples from the model's distribution, less sharpens it
	TopK              int     // sample among the K likeliest tokens; 0 is no limit
	TopP              float64 // sample among the likeliest tokens that together have this probability; 1 is no limit
	MinP              float64 // sample among tokens of at least this share of the likeliest one's probability; 0 is no limit
	RepetitionPenalty float64 // makes tokens that the text has already less likely, prompt included; 0 and 1 do not
	Seed              uint64
	MaxTokens         int  // stop after this many new tokens; 0 is no limit but the context
	Slide             bool // go on when the context is full, with what it holds of the latest tokens; only MaxTokens or the end token stop
}

// Validate returns an error that names the option which is impossible.
func (s Sampling) Validate() error {
	switch {
	case !(s.Temperature >= 0 && s.Temperature <= 100):
		return fault.Optionf("%s %g: expected 0 (greedy) to 100", fault.Option("temperature"), s.Temperature)
	case s.TopK < 0:
		return fault.Optionf("%s %d: expected 0 (no limit) or more", fault.Option("top_k"), s.TopK)
	case !(s.TopP > 0 && s.TopP <= 1):
		return fault.Optionf("%s %g: expected more than 0 and at most 1 (no limit)", fault.Option("top_p"), s.TopP)
	case !(s.MinP >= 0 && s.MinP <= 1):
		return fault.Optionf("%s %g: expected 0 (no limit) to 1", fault.Option("min_p"), s.MinP)
	case !(s.RepetitionPenalty >= 0 && s.RepetitionPenalty <= 100):
		return fault.Optionf("%s %g: expected more than 0 and at most 100; 1 is none", fault.Option("repetition_penalty"), s.RepetitionPenalty)
	case s.Slide && s.MaxTokens == 0:
		return fault.Optionf("%s 0: expected a number of tokens, as the context is no limit", fault.Option("max_tokens"))
	case s.MaxTokens < 0:
		return fault.Optionf("%s %d: expected 0 (no limit) or more", fault.Option("max_tokens"), s.MaxTokens)
	}
	return nil
}

// Candidate is a possible next token with the probability that the model gives it, whatever the sampling.
type Candidate struct {
	Token       int32
	Probability float64
}

// LogProbability is the natural logarithm of the probability; -Inf where that is too small for a float64.
func (c Candidate) LogProbability() float64 { return math.Log(c.Probability) }

// Choice is a token of a text.
type Choice struct {
	Candidate
	Top []Candidate // the likeliest tokens in its place, best first
}

// Rank returns all tokens with their probability, softmax(logits), the likeliest first and of equals the one with the lower id.
func Rank(logits []float32) []Candidate {
	largest := float64(slices.Max(logits))
	ranked := make([]Candidate, len(logits))
	var sum float64
	for i, v := range logits {
		p := math.Exp(float64(v) - largest)
		ranked[i] = Candidate{int32(i), p}
		sum += p
	}
	for i := range ranked {
		ranked[i].Probability /= sum
	}
	slices.SortFunc(ranked, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Probability, a.Probability), cmp.Compare(a.Token, b.Token))
	})
	return ranked
}

// next chooses the token behind a text. ranked are the candidates by their logits.
func (s Sampling) next(logits []float32, ranked []Candidate, text []int32, random *rand.Rand) Candidate {
	if s.RepetitionPenalty == 0 || s.RepetitionPenalty == 1 {
		return choose(ranked, s, random)
	}
	token := choose(Rank(penalize(logits, text, s.RepetitionPenalty)), s, random).Token
	return find(ranked, token)
}

// find returns the candidate of a token, which must be there.
func find(ranked []Candidate, token int32) Candidate {
	return ranked[slices.IndexFunc(ranked, func(c Candidate) bool { return c.Token == token })]
}

// penalize returns the logits with that of each token which occurs in a text, once or often, divided by the penalty if it is positive, and
// multiplied by it otherwise (Keskar et al. 2019, section 4.1; for logits below 0 as in Hugging Face's RepetitionPenaltyLogitsProcessor).
func penalize(logits []float32, text []int32, penalty float64) []float32 {
	changed := slices.Clone(logits)
	for _, token := range text {
		if v := logits[token]; v > 0 {
			changed[token] = float32(float64(v) / penalty)
		} else {
			changed[token] = float32(float64(v) * penalty)
		}
	}
	return changed
}

// choose samples one of the ranked candidates.
func choose(ranked []Candidate, s Sampling, random *rand.Rand) Candidate {
	if s.Temperature == 0 {
		return ranked[0]
	}
	weights := s.weights(ranked)
	var total float64
	for _, w := range weights {
		total += w
	}
	at := random.Float64() * total
	for i, w := range weights {
		if at -= w; at < 0 {
			return ranked[i]
		}
	}
	return ranked[len(weights)-1]
}

// weights returns how likely those of the ranked candidates that can be drawn are, relative to the first: the temperature changes the
// distribution, then top-k, top-p (Holtzman et al. 2020, section 3.1) and min-p (Nguyen et al. 2024, section 3) cut it off.
func (s Sampling) weights(ranked []Candidate) []float64 {
	if s.TopK > 0 {
		ranked = ranked[:min(s.TopK, len(ranked))]
	}
	weights := make([]float64, len(ranked))
	var total float64
	for i, c := range ranked {
		weights[i] = math.Pow(c.Probability/ranked[0].Probability, 1/s.Temperature)
		total += weights[i]
	}
	kept := 0.0
	for i, w := range weights {
		if w < s.MinP {
			return weights[:i]
		}
		if kept += w; s.TopP < 1 && kept >= s.TopP*total {
			return weights[:i+1]
		}
	}
	return weights
}
