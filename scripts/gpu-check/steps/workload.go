package main

import (
	"math/rand/v2"

	"trainer/model"
	"trainer/train"
)

// workload is a model and the random tokens that it trains on.
type workload struct {
	config model.Config
	text   *train.Text
}

// newWorkload returns a workload of n windows, each as long as the model sees.
func newWorkload(c model.Config, n int) *workload {
	tokens := make(stream, n*c.Context+1)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range tokens {
		tokens[i] = random.Int32N(int32(c.VocabSize))
	}
	return &workload{c, train.NewText(tokens, c.Context, 0)}
}

// newTrainer returns a trainer at step 0. The weights depend on the options' seed alone. It needs no tokenizer, since nothing is saved or shown.
func (l *workload) newTrainer(o train.Options) (*train.Trainer, error) {
	m, err := model.New(l.config, o.Seed)
	if err != nil {
		return nil, err
	}
	return train.New(m, nil, l.text, &train.Text{}, o)
}

// stream are tokens in memory.
type stream []int32

func (s stream) Len() int                 { return len(s) }
func (s stream) Read(dst []int32, at int) { copy(dst, s[at:]) }
func (s stream) Bytes() int               { return 0 }
func (s stream) Fingerprint() string      { return "" }
