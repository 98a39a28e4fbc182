// Package train teaches a model from examples.
//
//	examples -> Dataset -> batches -> engine: loss, gradient, blame -> optimizer -> weights, again and again
//
// A Trainer owns one run: Step is the training loop's body, Run the loop around it with evaluations, checkpoints and a clean end, and an
// Observer is told what happens. A Folder keeps the run on disk. Nothing here prints.
//
// Several processes train one model together where Options.Group connects them. Each has a Trainer, all of which take the same calls in the
// same order: rank 0 has the Folder, the others a nil one, and what they return is the same on all.
//
// Start at Trainer.Step, then engine.go for how a step is divided among threads, checkpoint.go for what survives a kill.
package train

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/memory"
	"trainer/model"
	"trainer/tokenizer"
)

// Trainer is one training run, or one process of it. It is for one goroutine.
type Trainer struct {
	Model     *model.Model
	Tokenizer tokenizer.Tokenizer
	Train     Data
	HeldOut   Data // never trained on; may be empty
	Options   Options

	engine    *engine
	partition *partition
	optimizer Optimizer
	whole     []StateVector // memory of gather
	schedule  Schedule
	sampler   *sampler
	data      string  // fingerprint of Train, empty before the first checkpoint
	step      int     // steps taken
	begun     []begun // steps that are begun and not ended
	batch     []int   // memory of a batch
	metrics   Metrics
	ended     time.Time // when the last step was
	wish      wish      // of a process of a group, as of the last step
	seconds   float64   // spent by earlier processes of this run
	started   time.Time
}

// begun is a step that the engine has started.
type begun struct{ rate, epoch float64 }

// New returns a trainer at step 0. The model takes the dropout of the options. It returns an error of class usage for options that are not
// valid and for a model too large for the machine, of class data when there is nothing to train on.
func New(m *model.Model, t tokenizer.Tokenizer, train, heldOut Data, o Options) (*Trainer, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := device.CheckFor(o.Device, o.Precision, o.GEMM); err != nil {
		return nil, err
	}
	if train.Len() == 0 {
		return nil, fault.Dataf("there is nothing to train on")
	}
	weights := m.Config.NumParameters()
	const vectors, moments = 2, 2 // weights and gradient; of the optimizer, of which each process has a part
	need := 4 * (vectors*weights + moments*weights/o.Group.Size())
	if err := memory.Fits(fmt.Sprintf("training a model of %d weights", weights), need); err != nil {
		return nil, fault.Usagef("%w: choose a smaller model", err)
	}
	m.Config.Dropout = o.Dropout
	p := partitionOf(m, o)
	optimizer := o.optimizer(p.size)
	e, err := engineOf(m, p, optimizer, o)
	if err != nil {
		return nil, err
	}
	return &Trainer{
		Model: m, Tokenizer: t, Train: train, HeldOut: heldOut, Options: o,
		engine:    e,
		partition: p,
		optimizer: optimizer,
		schedule:  o.schedule(),
		sampler:   newSampler(train, &o),
		batch:     make([]int, o.Batch*o.Accumulate),
		metrics:   Metrics{Stages: m.Stages, Blame: make([]float64, len(m.Stages))},
		started:   time.Now(),
	}, nil
}

// Device names what the model runs on, for people.
func (t *Trainer) Device() string { return t.engine.device }

// StepsTaken is the number of optimizer steps behind the weights.
func (t *Trainer) StepsTaken() int { return t.step }

// fingerprint is that of the training data. Every checkpoint holds it, and hashing all tokens is too much work for each.
func (t *Trainer) fingerprint() string {
	if t.data == "" {
		t.data = t.Train.fingerprint()
	}
	return t.data
}

// AddSeconds counts what earlier processes of the run have taken, as Folder.OpenMetrics returns it.
func (t *Trainer) AddSeconds(s float64) { t.seconds += s }

// Seconds is how long the run has taken, in all processes that worked on it.
func (t *Trainer) Seconds() float64 { return t.seconds + time.Since(t.started).Seconds() }

// Step takes one optimizer step: it draws a batch, computes the loss and by backpropagation the gradient of every weight, and moves
// the weights. The metrics are those of the batch before the update; the next Step overwrites them. A loss or gradient that is not
// finite is a *NonFiniteError, and the weights stay as they were.
func (t *Trainer) Step() (*Metrics, error) {
	if len(t.begun) == 0 {
		if err := t.begin(); err != nil {
			return nil, err
		}
	}
	return t.end()
}

// begin starts the next step that is not begun yet. On a GPU it returns before the step has ended.
func (t *Trainer) begin() error {
	if len(t.begun) == 0 {
		t.ended = time.Now()
	}
	number := t.step + len(t.begun)
	rate := t.schedule.At(number)
	epoch, next := t.sampler.epoch, t.sampler.next
	t.sampler.draw(t.batch)
	err := t.engine.start(t.Train, job{
		batch: t.batch, micro: t.Options.Batch, all: t.Options.Loss == "all", rate: rate, move: true, dropout: dropoutKey(t.Options.Seed, number),
	})
	if errors.Is(err, errStopped) {
		t.sampler.seek(epoch, next)
	}
	if err != nil {
		return fmt.Errorf("step %d: %w", number+1, err)
	}
	t.begun = append(t.begun, begun{rate, t.sampler.epochs()})
	return nil
}

// dropoutKey is the key of dropout in a step, which the number of the step gives anew when a run is resumed. It is never 0.
func dropoutKey(seed uint64, step int) uint64 {
	var random rand.PCG
	random.Seed(seed, ^uint64(step)) // the first streams of the seed are those of weights and epochs
	return random.Uint64() | 1
}

// end waits for the oldest step that was begun.
func (t *Trainer) end() (*Metrics, error) {
	m, s := &t.metrics, t.begun[0]
	out, err := t.engine.finish(m.Blame)
	if err != nil {
		return nil, fmt.Errorf("step %d: %w", t.step+1, err)
	}
	if !out.finite() {
		return nil, t.nonFinite(out)
	}
	t.begun = append(t.begun[:0], t.begun[1:]...)
	t.step++
	t.wish = out.wish
	m.Step, m.Loss, m.GradientNorm, m.LearningRate, m.Epoch = t.step, out.loss, out.norm, s.rate, s.epoch
	m.Accuracy = out.accuracy
	m.Tokens = out.tokens
	now := time.Now()
	m.TokensPerSecond = float64(out.tokens) / now.Sub(t.ended).Seconds()
	m.Seconds, t.ended = t.Seconds(), now
	return m, nil
}

// LastBatch returns where in Train the sequences of the last step are; of a Dataset these are the indices of examples. The next Step
// overwrites them.
func (t *Trainer) LastBatch() []int { return t.engine.last().batch }

// Evaluate predicts every target of the data with the model as it is.
func (t *Trainer) Evaluate(d Data) (*Evaluation, error) { return t.engine.evaluate(d) }

// Generator returns a generator of the model on the trainer's device. It is for use between steps, until Close.
func (t *Trainer) Generator() *model.Generator {
	return model.NewGenerator(t.Executor())
}

// Executor returns an executor of the model as it is, on the trainer's device, to look into it: see its Trace. It is for use between steps,
// until Close, and not for runs with model.Train.
func (t *Trainer) Executor() *model.Executor { return t.engine.workers[0].executor }

// Close ends the trainer's threads.
func (t *Trainer) Close() error { return t.engine.close() }

// NonFiniteError says that training broke down: a number on the way was NaN or infinite.
type NonFiniteError struct {
	Step     int     // the step that failed, from 1
	Stage    string  // the stage where it came up first: "attention 2"
	Backward bool    // in the backward pass
	Loss     float64 // of the batch
	Norm     float64 // of the gradient
}

func (e *NonFiniteError) Error() string {
	pass := "forward"
	if e.Backward {
		pass = "backward"
	}
	return fmt.Sprintf("step %d: loss %.4g, gradient norm %.4g: the first number that is not finite came up in stage %q, in the %s pass; "+
		"the weights of step %d are kept: try a lower -lr, a longer -warmup or -clip 1", e.Step, e.Loss, e.Norm, e.Stage, pass, e.Step-1)
}

// nonFinite runs the batch again, instruction by instruction, to find where the numbers broke down.
func (t *Trainer) nonFinite(out outcome) error {
	if err := t.engine.updater.fetch(); err != nil {
		return err
	}
	at, err := t.engine.firstNonFinite(out)
	if err != nil {
		return err
	}
	return &NonFiniteError{Step: t.step + 1, Loss: out.loss, Norm: out.norm, Stage: t.Model.Stages[at.Stage].Name, Backward: at.Backward}
}
