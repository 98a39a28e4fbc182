package main

import (
	"encoding/json"
	"os"

	"trainer/internal/arithmetic"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// workload is what both sides train: the default model on the default examples.
type workload struct {
	tokenizer tokenizer.Tokenizer
	config    model.Config
	options   train.Options // but for batch and threads
	data      *train.Dataset
}

func newWorkload() (*workload, error) {
	t, err := tokenizer.NewWord(arithmetic.Words())
	if err != nil {
		return nil, err
	}
	w := &workload{tokenizer: t, config: model.Calculator(t.VocabSize()), options: train.Calculator()}
	// A constant learning rate is what the peer can do without a copy of the schedule; it changes no time.
	w.options.Schedule, w.options.WarmUp = "constant", 0
	w.data, err = train.NewDataset(t, examples.Calculator(), w.config.Context)
	return w, err
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

// ignored is the target of PyTorch's cross-entropy where no prediction is wanted.
const ignored = -100

// peerWeight is a tensor for the peer.
type peerWeight struct {
	Shape  []int     `json:"shape"`
	Values []float32 `json:"values"`
}

// write writes the workload for the peer. Where the trainer packs sequences end to end, PyTorch wants a rectangle: each example is padded to
// the longest one.
func (w *workload) write(path string) error {
	m, err := model.New(w.config, w.options.Seed)
	if err != nil {
		return err
	}
	weights := make(map[string]peerWeight)
	for i := range m.Parameters {
		p := &m.Parameters[i]
		weights[p.Name] = peerWeight{p.Shape, p.Value}
	}
	longest := 0
	for i := range w.data.Len() {
		tokens, _ := w.data.Sequence(i)
		longest = max(longest, len(tokens))
	}
	var inputs, targets [][]int32
	for i := range w.data.Len() {
		tokens, answers := w.data.Sequence(i)
		in, out := make([]int32, longest), make([]int32, longest)
		copy(in, tokens)
		for j := range out {
			out[j] = ignored
			if j < len(answers) && answers[j] >= 0 {
				out[j] = answers[j]
			}
		}
		inputs, targets = append(inputs, in), append(targets, out)
	}
	c, o := w.config, w.options
	text, err := json.Marshal(map[string]any{
		"model": map[string]int{
			"vocabulary": c.VocabSize, "context": c.Context, "layers": c.Layers, "heads": c.Heads, "width": c.Width, "hidden": c.MLPWidth,
		},
		"optimizer": map[string]float64{
			"lr": o.LearningRate, "beta1": o.Beta1, "beta2": o.Beta2, "weight_decay": o.WeightDecay, "clip": o.Clip,
		},
		"weights": weights, "inputs": inputs, "targets": targets,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o666)
}
