package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"trainer/internal/arithmetic"
	"trainer/internal/mpi"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// rankArgument makes scale one process of a run.
const rankArgument = "scale-rank"

// settings is what the processes of a run train.
type settings struct {
	Model   string // "calculator" or "gpt"
	Batch   int    // sequences, of all ranks together
	Threads int    // of each rank
	Ranks   int    // 0 is one process without MPI
	Steps   int    // timed
}

// measured is what rank 0 prints at the end, of each step that is timed.
type measured struct {
	Steps          []float64 // ms
	Reduce, Gather []float64 // share of the step in which the rank waits for ReduceScatter, and for AllGather
	Sent, Least    float64   // bytes a step
	FLOP           float64   // of a step, of all ranks together: of the last one
}

// unhurried is how many steps go ahead of those that are timed: they compile programs and touch memory.
const unhurried = 2

// serveRank trains and measures.
func serveRank(text string) (err error) {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	group, err := mpi.Join(mpi.Options{Timeout: time.Minute, Lost: func(err error) { fmt.Fprintln(os.Stderr, err) }})
	if err != nil {
		return err
	}
	m := &meter{Communicator: group}
	if s.Ranks > 1 && group.Size() != s.Ranks {
		return fmt.Errorf("%d ranks have met, expected %d: build with -tags mpi", group.Size(), s.Ranks)
	}
	t, data, err := newTrainer(s, m)
	if err != nil {
		return err
	}
	defer t.Close()
	all := measured{Least: 2 * float64(group.Size()-1) / float64(group.Size()) * 4 * float64(len(t.Model.Weights))}
	for step := range unhurried + s.Steps {
		if step == unhurried {
			m.sent = 0
		}
		m.reduce, m.gather = 0, 0
		begin := time.Now()
		if _, err := t.Step(); err != nil {
			return err
		}
		if took := time.Since(begin); step >= unhurried {
			all.Steps = append(all.Steps, 1e3*took.Seconds())
			all.Reduce = append(all.Reduce, m.reduce.Seconds()/took.Seconds())
			all.Gather = append(all.Gather, m.gather.Seconds()/took.Seconds())
		}
	}
	all.Sent = float64(m.sent) / float64(s.Steps)
	all.FLOP = train.FLOP(data, t.Model.Config, t.LastBatch())
	if group.Rank() == 0 {
		err = json.NewEncoder(os.Stdout).Encode(all)
	}
	return errors.Join(err, group.Close())
}

// newTrainer returns the trainer of a rank, and its data.
func newTrainer(s settings, group *meter) (*train.Trainer, train.Data, error) {
	o := train.Calculator()
	o.Schedule, o.WarmUp = "constant", 0 // a schedule changes no time
	o.Batch, o.Threads, o.Group = s.Batch, s.Threads, group
	var c model.Config
	var t tokenizer.Tokenizer
	var data, none train.Data
	var err error
	if s.Model == "calculator" {
		if t, err = tokenizer.NewWord(arithmetic.Words()); err != nil {
			return nil, nil, err
		}
		c = model.Calculator(t.VocabSize())
		if data, err = train.NewDataset(t, examples.Calculator(), c.Context); err != nil {
			return nil, nil, err
		}
		if none, err = train.NewDataset(t, nil, c.Context); err != nil {
			return nil, nil, err
		}
	} else {
		c, t, o.Repeats = gpt(), tokenizer.NewBytes(), nil
		data, none = train.NewText(train.InMemory(randomTokens(c.VocabSize), 0), c.Context, 0), train.NewText(train.InMemory(nil, 0), c.Context, 0)
	}
	m, err := model.New(c, o.Seed)
	if err != nil {
		return nil, nil, err
	}
	trainer, err := train.New(m, t, data, none, o)
	return trainer, data, err
}

// gpt is a GPT-2 of 10.7 million weights on letters, nanoGPT's for Shakespeare, with sequences of 128.
func gpt() model.Config {
	c := model.Calculator(65)
	c.Width, c.Layers, c.Heads, c.MLPWidth, c.Context, c.TiedHead = 384, 6, 6, 4*384, 128, true
	return c
}

// randomTokens is a stream of tokens without any pattern, always the same.
func randomTokens(vocabulary int) []int32 {
	random, tokens := rand.New(rand.NewPCG(1, 2)), make([]int32, 1<<16)
	for i := range tokens {
		tokens[i] = random.Int32N(int32(vocabulary))
	}
	return tokens
}
