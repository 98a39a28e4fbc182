package model

import (
	"errors"
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
	Slide             bool // go on when the context is full, from its newer half; only MaxTokens or the end token stop
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
		return fault.Optionf("%s: the context is no limit then: expected %s too, a number of tokens to stop after", fault.Option("slide"),
			fault.Option("max_tokens"))
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

// ErrNotNumbers says that a prediction is not one: a logit is NaN or infinite.
var ErrNotNumbers = errors.New("the model's logits are not numbers: its weights are broken")

// Rank returns all tokens with their probability, softmax(logits), the likeliest first and of equals the one with the lower id.
// The error is ErrNotNumbers.
func Rank(logits []float32) ([]Candidate, error) {
	var r ranking
	if err := r.read(logits); err != nil {
		return nil, err
	}
	return r.choice(0, len(logits)).Top, nil
}

// penalize sets changed to the logits with that of each token which occurs in a text, once or often, divided by the penalty if it is
// positive, and multiplied by it otherwise (Keskar et al. 2019, section 4.1; for logits below 0 as in Hugging Face's
// RepetitionPenaltyLogitsProcessor).
func penalize(changed, logits []float32, text []int32, penalty float64) {
	copy(changed, logits)
	for _, token := range text {
		if v := logits[token]; v > 0 {
			changed[token] = float32(float64(v) / penalty)
		} else {
			changed[token] = float32(float64(v) * penalty)
		}
	}
}

// sampler chooses tokens. It keeps its memory from one to the next, and sorts no more of the vocabulary than it must.
type sampler struct {
	plain, penalized ranking
	logits           []float32 // penalized
}

// next chooses the token behind a text by the model's logits [V], and reports the `top` likeliest by them. The error says that the logits
// are not numbers.
func (m *sampler) next(logits []float32, s Sampling, text []int32, random *rand.Rand, top int) (Choice, error) {
	if err := m.plain.read(logits); err != nil {
		return Choice{}, err
	}
	from := &m.plain
	if s.RepetitionPenalty != 0 && s.RepetitionPenalty != 1 {
		m.logits = slices.Grow(m.logits[:0], len(logits))[:len(logits)]
		penalize(m.logits, logits, text, s.RepetitionPenalty)
		from = &m.penalized
		if err := from.read(m.logits); err != nil {
			return Choice{}, err
		}
	}
	token := from.likeliest
	if s.Temperature > 0 {
		token = from.draw(s, random)
	}
	return m.plain.choice(token, top), nil
}

// score is the choice of a token that is known, by the model's logits [V] in its place.
func (m *sampler) score(logits []float32, token int32, top int) (Choice, error) {
	if err := m.plain.read(logits); err != nil {
		return Choice{}, err
	}
	return m.plain.choice(token, top), nil
}

// draw samples a token.
func (r *ranking) draw(s Sampling, random *rand.Rand) int32 {
	tokens, weights := r.drawable(s)
	return tokens[r.reaches(tokens, weights, random.Float64()*sumOf(weights, tokens))-1]
}

// drawable returns the tokens that can be drawn, and by token how likely they are, relative to the likeliest: the temperature changes the
// distribution, then top-k, top-p (Holtzman et al. 2020, section 3.1) and min-p (Nguyen et al. 2024, section 3) cut it off.
func (r *ranking) drawable(s Sampling) (tokens []int32, weights []float64) {
	tokens = r.everyToken()
	if s.TopK > 0 && s.TopK < len(tokens) {
		tokens = tokens[:r.first(tokens, s.TopK)]
	}
	weights = r.tempered(s.Temperature)
	total := sumOf(weights, tokens)
	if s.MinP > 0 {
		tokens = tokens[:r.atLeast(tokens, weights, s.MinP)]
	}
	if s.TopP < 1 {
		tokens = tokens[:r.reaches(tokens, weights, math.Nextafter(s.TopP*total, 0))]
	}
	return tokens, weights
}
