package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"trainer/internal/cpu/kernel"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/peak"
	"trainer/model"
)

// generation is what every side does in a turn: it reads a prompt and goes on with the likeliest tokens, and it reads a long prompt.
type generation struct {
	config model.Config
	prompt int // tokens of the short prompt
	tokens int // to go on with
	long   int // tokens of the long prompt
}

// gpt2Generation is GPT-2 of 124 million weights, and what llama.cpp's own benchmark does by default.
var gpt2Generation = generation{config: gptConfig(50257, 768, 12, 12), prompt: 16, tokens: 128, long: 512}

// targets are the ratios that the project sets itself, to llama.cpp with weights of the same bits.
const (
	generateTarget = 1.0
	prefillTarget  = 1.0
)

// generateRequest asks a side to go on behind a prompt with the likeliest tokens.
type generateRequest struct {
	Prompt []int32 `json:"prompt"`
	Tokens int     `json:"tokens"`
}

// generated is what a side answers.
type generated struct {
	Tokens []int32 `json:"tokens"`
	First  float64 `json:"first_seconds"` // until the first token
	Rest   float64 `json:"rest_seconds"`  // for all others
}

// generator is a side that generates.
type generator struct {
	*process
	row *generateRow
}

// generateRow is a line of the report: a side with weights of some bits.
type generateRow struct {
	Side     string  `json:"side"`
	Weights  string  `json:"weights"`
	Speed    float64 `json:"tokens_per_second"` // median
	Prefill  float64 `json:"prefill_tokens_per_second"`
	Bytes    int     `json:"bytes_per_token,omitempty"` // of weights that our side reads
	Memory   int64   `json:"memory_bytes"`              // most that its process held
	Agreeing int     `json:"agreeing_tokens"`           // first tokens that are those of our float32

	// Of a peer's line, how fast ours with as many bits is by comparison.
	SpeedRatio   float64 `json:"speed_ratio,omitempty"`
	PrefillRatio float64 `json:"prefill_ratio,omitempty"`

	speeds, prefills []float64
}

// trainerSide is the name of our side.
const trainerSide = "trainer"

// runGenerate times generation beside llama.cpp and transformers, in turns.
func runGenerate(ctx context.Context, dir string, a *arguments) error {
	g := gpt2Generation
	g.config.Context = 1024
	files, err := newModelFiles(ctx, g.config, dir)
	if err != nil {
		return err
	}
	sides, missing, err := startGenerators(ctx, dir, files, a.threads)
	if err != nil {
		return err
	}
	r := &generateReport{Machine: machine(a.threads), Missing: missing, Rounds: a.rounds}
	r.Limit, err = g.takeTurns(sides, a)
	for _, s := range sides {
		memory, closed := s.close()
		s.row.Memory, err = memory, errors.Join(err, closed)
		r.Rows = append(r.Rows, *s.row)
	}
	if ctx.Err() != nil {
		return fault.ErrInterrupted // which ended the sides, too
	}
	if err != nil {
		return err
	}
	r.compare()
	r.print(os.Stdout)
	return writeJSON(a.json, r)
}

// takeTurns fills in what the sides take, and returns the best speed of memory between their turns.
func (g *generation) takeTurns(sides []*generator, a *arguments) (limit float64, err error) {
	random := randomTokens(g.config.VocabSize)
	prompt, long := random[:g.prompt], random[g.prompt:g.prompt+g.long]
	var want []int32                  // tokens of the first side, ours in float32
	for round := range a.rounds + 1 { // round 0 finds everything new, and shows that the sides compute the same
		fmt.Fprintf(os.Stderr, "round %d of %d ...\n", round, a.rounds)
		limit = max(limit, peak.Read(a.threads, kernel.Best()))
		for _, s := range sides {
			text, prefill := &generated{}, &generated{}
			err := s.ask(generateRequest{prompt, g.tokens}, text)
			if err == nil { // a side that has failed answers nothing more
				err = s.ask(generateRequest{long, 1}, prefill)
			}
			if err != nil {
				return 0, fmt.Errorf("%s with weights of %s: %w", s.row.Side, s.row.Weights, err)
			}
			if want == nil {
				want = text.Tokens
			}
			if round > 0 {
				s.row.add(g, text, prefill)
			} else if err := s.row.agree(text.Tokens, want); err != nil {
				return 0, err
			}
			time.Sleep(rest)
		}
	}
	return limit, nil
}

// startGenerators starts our side with each kind of weights, ours in float32 first, and behind each the peers that there are; missing says what
// is not there and why.
func startGenerators(ctx context.Context, dir string, files *modelFiles, threads int) (sides []*generator, missing []string, err error) {
	peers, missing, err := findGenerators(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	for _, weights := range device.Weights {
		p, bytes, err := startOurGenerator(ctx, generatorSettings{files.Folder, weights, threads})
		if err != nil {
			return nil, nil, err
		}
		sides = append(sides, &generator{p, &generateRow{Side: trainerSide, Weights: weights, Bytes: bytes}})
		for _, peer := range peers {
			path, kind := peer.model(files, weights)
			if path == "" {
				continue
			}
			p, err := peer.start(ctx, path, kind, threads)
			if err != nil {
				return nil, nil, err
			}
			sides = append(sides, &generator{p, &generateRow{Side: peer.name, Weights: kind}})
		}
	}
	return sides, missing, nil
}

// agree notes how many first tokens are those that are wanted. Weights are rounded, and products in another order, so that later tokens may be
// others; with none in common the sides are not of one model.
func (r *generateRow) agree(tokens, want []int32) error {
	for r.Agreeing < min(len(tokens), len(want)) && tokens[r.Agreeing] == want[r.Agreeing] {
		r.Agreeing++
	}
	if r.Agreeing == 0 || len(tokens) != len(want) {
		return fmt.Errorf("%s with weights of %s goes on with %d tokens, %v; expected %d, %v: the two do not compute the same, and times mean nothing",
			r.Side, r.Weights, len(tokens), tokens[:min(len(tokens), 8)], len(want), want[:min(len(want), 8)])
	}
	return nil
}

func (r *generateRow) add(g *generation, text, prefill *generated) {
	r.speeds = append(r.speeds, float64(g.tokens-1)/text.Rest)
	r.prefills = append(r.prefills, float64(g.long)/prefill.First)
	r.Speed, r.Prefill = median(slices.Clone(r.speeds)), median(slices.Clone(r.prefills))
}
