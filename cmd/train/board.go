package main

import (
	"cmp"
	"strings"
	"time"

	"trainer/internal/tensorboard"
	"trainer/train"
)

// boardFolder is where TensorBoard finds a run, in its folder.
const boardFolder = "tensorboard"

// board is the Observer that tells TensorBoard. An error ends the run, as one of metrics.jsonl does.
type board struct {
	writer  *tensorboard.Writer
	end     func(error) // ends the run, after a save
	err     error       // the first
	told    bool        // of err
	steps   []tensorboard.Scalar
	flushed time.Time
}

// newBoard begins an event file of a run at a step.
func newBoard(dir string, step int, end func(error)) (*board, error) {
	w, err := tensorboard.Create(dir, step)
	if err != nil {
		return nil, err
	}
	return &board{writer: w, end: end}, nil
}

// note keeps the first error.
func (b *board) note(err error) {
	if err != nil && b.err == nil {
		b.err = err
		b.end(err)
	}
}

// boardDelay is how far behind TensorBoard may be.
const boardDelay = 2 * time.Second

// Stepped implements train.Observer.
func (b *board) Stepped(m *train.Metrics) {
	numbers := [...]tensorboard.Scalar{
		{Tag: "train/loss", Value: m.Loss}, {Tag: "train/accuracy", Value: m.Accuracy}, {Tag: "train/learning_rate", Value: m.LearningRate},
		{Tag: "train/gradient_norm", Value: m.GradientNorm}, {Tag: "train/tokens_per_second", Value: m.TokensPerSecond},
	}
	if b.steps == nil {
		b.steps = make([]tensorboard.Scalar, len(numbers)+len(m.Blame))
		for i := range m.Blame {
			b.steps[len(numbers)+i].Tag = "blame/" + m.Stages[i].Name
		}
	}
	copy(b.steps, numbers[:])
	for i, share := range m.Blame {
		b.steps[len(numbers)+i].Value = share
	}
	now := time.Now()
	b.note(b.writer.Scalars(m.Step, now, b.steps))
	if now.Sub(b.flushed) > boardDelay {
		b.flushed = now
		b.note(b.writer.Flush())
	}
}

// Followed implements train.Observer.
func (b *board) Followed(*train.Followed) {}

// Evaluated implements train.Observer.
func (b *board) Evaluated(step int, e *train.Evaluation) {
	list := []tensorboard.Scalar{
		{Tag: "held_out/loss", Value: e.Loss}, {Tag: "held_out/accuracy", Value: e.Accuracy()}, {Tag: "held_out/perplexity", Value: e.Perplexity()},
	}
	if bits := e.BitsPerByte(); bits > 0 {
		list = append(list, tensorboard.Scalar{Tag: "held_out/bits_per_byte", Value: bits})
	}
	b.note(b.writer.Scalars(step, time.Now(), list))
	b.note(b.writer.Flush())
}

// Saved implements train.Observer.
func (b *board) Saved(train.Checkpoint) {}

// answers shows what the model says at a step, as a text.
func (b *board) answers(step int, list []answer) {
	var text strings.Builder
	for _, a := range list {
		between := ""
		if a.graded() {
			between = " → "
		}
		const asItIs = "    " // in Markdown
		text.WriteString(asItIs + strings.ReplaceAll(a.text+between+a.got, "\n", "\n"+asItIs) + "\n\n")
	}
	b.note(b.writer.Text(step, time.Now(), "answers", text.String()))
	b.note(b.writer.Flush())
}

// close returns the first error, unless it was told.
func (b *board) close() error {
	err := cmp.Or(b.err, b.writer.Close())
	if b.told {
		return nil
	}
	return err
}
