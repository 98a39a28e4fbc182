package main

import (
	"bufio"
	"errors"
	"os"

	"trainer/internal/arithmetic"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// workload is what both sides train for the calculator: the default model on the default examples.
type workload struct {
	tokenizer tokenizer.Tokenizer
	config    model.Config
	options   train.Options // but for batch and threads
	data      *train.Dataset
	longest   int // of the examples, in tokens
}

func newWorkload() (*workload, error) {
	t, err := tokenizer.NewWord(arithmetic.Words())
	if err != nil {
		return nil, err
	}
	w := &workload{tokenizer: t, config: model.Calculator(t.VocabSize()), options: train.Calculator()}
	// A constant learning rate is what the peer can do without a copy of the schedule; it changes no time.
	w.options.Schedule, w.options.WarmUp = "constant", 0
	if w.data, err = train.NewDataset(t, examples.Calculator(), w.config.Context); err != nil {
		return nil, err
	}
	for i := range w.data.Len() {
		tokens, _ := w.data.Sequence(i)
		w.longest = max(w.longest, len(tokens))
	}
	return w, nil
}

// newTrainer returns a trainer at step 0. The weights depend on the options' seed alone.
func (w *workload) newTrainer(batch, threads int) (*train.Trainer, error) {
	o := w.options
	o.Batch, o.Threads = batch, threads
	m, err := model.New(w.config, o.Seed)
	if err != nil {
		return nil, err
	}
	none, err := train.NewDataset(w.tokenizer, nil, w.config.Context)
	if err != nil {
		return nil, err
	}
	return train.New(m, w.tokenizer, w.data, none, o)
}

// writeWeights writes the initial weights for the peer.
func (w *workload) writeWeights(path string) error {
	m, err := model.New(w.config, w.options.Seed)
	if err != nil {
		return err
	}
	return writeWeights(path, m)
}

func writeWeights(path string, m *model.Model) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(f)
	return errors.Join(m.WriteWeights(buffered), buffered.Flush(), f.Close())
}

// rectangles returns batches of examples for the peer. Where the trainer packs sequences end to end, PyTorch wants a rectangle: each example is
// padded to the longest one of all.
func (w *workload) rectangles(places [][]int) []batch {
	batches := make([]batch, len(places))
	for b, list := range places {
		for _, place := range list {
			tokens, answers := w.data.Sequence(place)
			in, out := make([]int32, w.longest), make([]int32, w.longest)
			copy(in, tokens)
			for j := range out {
				out[j] = ignored
				if j < len(answers) && answers[j] >= 0 {
					out[j] = answers[j]
				}
			}
			batches[b].Inputs, batches[b].Targets = append(batches[b].Inputs, in), append(batches[b].Targets, out)
		}
	}
	return batches
}
