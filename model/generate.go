package model

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"trainer/internal/fault"
)

// Sampling says how the next token is chosen.
type Sampling struct {
	Temperature float64 // 0 takes the likeliest token; 1 samples from the model's distribution, less sharpens it
	TopK        int     // sample among the K likeliest tokens; 0 is no limit
	TopP        float64 // sample among the likeliest tokens that together have this probability; 1 is no limit
	Seed        uint64
	MaxTokens   int  // stop after this many new tokens; 0 is no limit but the context
	Slide       bool // go on when the context is full, with what it holds of the latest tokens; only MaxTokens or the end token stop
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
	case s.Slide && s.MaxTokens == 0:
		return fault.Optionf("%s 0: expected a number of tokens, as the context is no limit", fault.Option("max_tokens"))
	case s.MaxTokens < 0:
		return fault.Optionf("%s %d: expected 0 (no limit) or more", fault.Option("max_tokens"), s.MaxTokens)
	}
	return nil
}

// Candidate is a possible next token with the probability that the model gives it.
type Candidate struct {
	Token       int32
	Probability float64
}

// Choice is a generated token.
type Choice struct {
	Candidate
	Top []Candidate // the likeliest tokens, best first
}

// Generator continues token sequences.
type Generator struct {
	executor *Executor
	batch    Batch
}

// NewGenerator returns a generator of an executor's model. The executor may be used for other work between calls.
func NewGenerator(e *Executor) *Generator { return &Generator{executor: e} }

// promptsAtOnce is how many sequences go through the model together: enough to fill the tiles of the matrix products even when they are
// short, and no more than a few thousand tokens when the context is long.
func promptsAtOnce(context int) int { return max(1, min(128, 4096/context)) }

// Generate continues each prompt until the end token, MaxTokens, or the context is full. It returns the chosen tokens, the end token
// included, each with the `top` likeliest ones. The result for a prompt does not depend on the other prompts. A prompt that is empty or
// longer than the context is an error of class data.
func (g *Generator) Generate(prompts [][]int32, s Sampling, top int) ([][]Choice, error) {
	for i, p := range prompts {
		if len(p) == 0 || len(p) > g.executor.model.Config.Context {
			return nil, fault.Dataf("prompt %d has %d tokens: expected 1 to %d, the context of the model", i+1, len(p), g.executor.model.Config.Context)
		}
	}
	results := make([][]Choice, len(prompts))
	group := promptsAtOnce(g.executor.model.Config.Context)
	for first := 0; first < len(prompts); first += group {
		end := min(first+group, len(prompts))
		if err := g.generate(prompts[first:end], results[first:end], s, top); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// generate continues prompts that go through the model together.
func (g *Generator) generate(prompts [][]int32, results [][]Choice, s Sampling, top int) error {
	sequences, open := make([][]int32, len(prompts)), make([]int, len(prompts))
	random := make([]*rand.Rand, len(prompts))
	for i, p := range prompts {
		sequences[i], open[i] = slices.Clone(p), i
		random[i] = rand.New(rand.NewPCG(s.Seed, 0))
	}
	for len(open) > 0 {
		g.batch.Reset()
		for _, i := range open {
			s := sequences[i]
			g.batch.AddPrompt(s[max(0, len(s)-g.executor.model.Config.Context):])
		}
		r, err := g.executor.Run(&g.batch, Predict, 0)
		if err != nil {
			return err
		}
		vocab := g.executor.model.Config.VocabSize
		going := open[:0]
		for row, i := range open {
			ranked := Rank(r.Logits[row*vocab : (row+1)*vocab])
			if math.IsNaN(ranked[0].Probability) {
				return fmt.Errorf("the model's logits are not numbers: its weights are broken")
			}
			c := Choice{Candidate: choose(ranked, s, random[i]), Top: slices.Clone(ranked[:min(top, vocab)])}
			results[i] = append(results[i], c)
			sequences[i] = append(sequences[i], c.Token)
			if int(c.Token) != g.executor.model.Config.EOS && len(results[i]) != s.MaxTokens && (s.Slide || len(sequences[i]) <= g.executor.model.Config.Context) {
				going = append(going, i)
			}
		}
		open = going
	}
	return nil
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
	slices.SortStableFunc(ranked, func(a, b Candidate) int { return cmp.Compare(b.Probability, a.Probability) })
	return ranked
}

// choose samples one of the ranked candidates: first the temperature, then top-k, then top-p (Holtzman et al. 2020, section 3.1).
func choose(ranked []Candidate, s Sampling, random *rand.Rand) Candidate {
	if s.Temperature == 0 {
		return ranked[0]
	}
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
		kept += w
		if kept >= s.TopP*total {
			weights = weights[:i+1]
			break
		}
	}
	at := random.Float64() * kept
	for i, w := range weights {
		if at -= w; at < 0 {
			return ranked[i]
		}
	}
	return ranked[len(weights)-1]
}
