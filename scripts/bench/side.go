package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"

	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// sideArgument makes bench the trainer's side of a comparison, in a process whose memory is that of a training run alone.
const sideArgument = "trainer-side"

// sideSettings is what the side trains.
type sideSettings struct {
	Config  model.Config
	Options train.Options
	Weights string // the file to write the initial weights to, for the peer
}

// sideRequest asks for steps. The answer is a turn.
type sideRequest struct{ Steps int }

// sideHello is the first line of a side.
type sideHello struct {
	Device string
	GFLOP  float64 // of a step, in units of a billion operations
}

// startSide starts this program as the trainer's side.
func startSide(ctx context.Context, s sideSettings) (*process, *sideHello, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, nil, err
	}
	hello := &sideHello{}
	p, err := startProcess(exec.CommandContext(ctx, binary, sideArgument, string(text)), hello)
	return p, hello, err
}

// serveSide is what the process of a side does: it trains on request, until its input ends.
func serveSide(settings string) error {
	var s sideSettings
	if err := json.Unmarshal([]byte(settings), &s); err != nil {
		return err
	}
	m, err := model.New(s.Config, s.Options.Seed)
	if err != nil {
		return err
	}
	if err := writeWeights(s.Weights, m); err != nil {
		return err
	}
	data := train.NewText(train.InMemory(randomTokens(s.Config.VocabSize), 0), s.Config.Context, 0)
	// No text is shown, so any tokenizer does.
	trainer, err := train.New(m, tokenizer.NewBytes(), data, train.NewText(train.InMemory(nil, 0), s.Config.Context, 0), s.Options)
	if err != nil {
		return err
	}
	defer trainer.Close()
	out := json.NewEncoder(os.Stdout)
	places := make([]int, s.Options.Batch) // all windows are of one length
	if err := out.Encode(sideHello{trainer.Device(), train.FLOP(data, s.Config, places) / 1e9}); err != nil {
		return err
	}
	for requests := bufio.NewScanner(os.Stdin); requests.Scan(); {
		var r sideRequest
		if err := json.Unmarshal(requests.Bytes(), &r); err != nil {
			return err
		}
		t, err := ours{trainer}.steps(r.Steps)
		if err != nil {
			return fmt.Errorf("a step: %w", err)
		}
		if err := out.Encode(t); err != nil {
			return err
		}
	}
	return nil
}

// randomTokens is what both sides learn: a stream of tokens without any pattern, always the same.
func randomTokens(vocabulary int) []int32 {
	const length = 1 << 18
	random, tokens := rand.New(rand.NewPCG(1, 2)), make([]int32, length)
	for i := range tokens {
		tokens[i] = random.Int32N(int32(vocabulary))
	}
	return tokens
}
