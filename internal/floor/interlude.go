package floor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"trainer/internal/findings"
	"trainer/internal/floor/api"
	"trainer/model"
	"trainer/train"
)

// What looking into a model may cost a run.
const (
	lookEvery = time.Second // between two examples that are shown by themselves
	lookShare = 0.01        // of the time spent training
	maxAsked  = 16          // questions that wait
)

// interlude is a train.Interlude: between two steps it answers what pages ask, shows an example from time to time, as long as somebody
// listens, and pauses.
type interlude struct {
	trainer *train.Trainer
	asked   chan *asking
	wake    chan struct{} // looks again whether to go on with a run that is paused
	hub     atomic.Pointer[Hub]

	// What pages want.
	paused   atomic.Bool
	stepping atomic.Bool // one step, then pause
	showing  atomic.Bool // an example at once

	// Of the training goroutine.
	next    time.Time  // when an example may be shown again by itself
	begun   time.Time  // when the look at the one that is followed began
	pending *api.Trace // that example, before its step

	mutex   sync.Mutex // of what follows, held for moments
	rests   bool       // the run is paused between two steps
	newest  *api.Trace
	unheard bool // newest is still to be published
}

// asking is a question that waits for the end of a step.
type asking struct {
	ctx    context.Context
	q      Question
	answer chan answered // has room for one
}

type answered struct {
	trace *api.Trace
	err   error
}

func newInterlude(t *train.Trainer) *interlude {
	return &interlude{trainer: t, asked: make(chan *asking, maxAsked), wake: make(chan struct{}, 1)}
}

// Due implements train.Interlude.
func (i *interlude) Due() bool {
	if i.paused.Load() || i.stepping.Load() || i.showing.Load() || len(i.asked) > 0 {
		return true
	}
	h := i.hub.Load()
	return h != nil && h.Readers() > 0 && time.Now().After(i.next)
}

// Between implements train.Interlude.
func (i *interlude) Between(ctx context.Context) (follow bool, err error) {
	defer i.setRests(false)
	for {
		i.begun = time.Now()
		if i.stepping.Load() {
			i.setRests(false) // before it is no longer wanted: await takes that together for the end of the step
		}
		stepping, showing := i.stepping.Swap(false), i.showing.Swap(false)
		i.answerAll()
		switch {
		case ctx.Err() != nil:
			return false, nil
		case stepping:
			return true, i.prepare()
		case showing && i.paused.Load():
			if err := i.prepare(); err != nil {
				return false, err
			}
			i.show()
		case !i.paused.Load():
			if h := i.hub.Load(); showing || h != nil && h.Readers() > 0 && i.begun.After(i.next) {
				return true, i.prepare()
			}
			return false, nil
		}
		i.setRests(true)
		select {
		case <-ctx.Done():
		case <-i.wake:
		case a := <-i.asked:
			i.reply(a)
		}
	}
}

// answerAll answers what waits, and not what comes meanwhile.
func (i *interlude) answerAll() {
	for range len(i.asked) {
		i.reply(<-i.asked)
	}
}

// reply answers a question, unless nobody waits for it any longer.
func (i *interlude) reply(a *asking) {
	if a.ctx.Err() != nil {
		return
	}
	t := i.trainer
	p, err := encode(t.Tokenizer, t.Model.Config, a.q)
	if err != nil {
		a.answer <- answered{nil, err}
		return
	}
	trace, err := findings.Trace(t.Executor(), t.Tokenizer, p, t.StepsTaken())
	a.answer <- answered{trace, err}
}

// prepare looks at the example that the next step deals first, as it is before that step.
func (i *interlude) prepare() error {
	t := i.trainer
	text, ids, target := t.Prompt(t.NextExample())
	p := &findings.Prompt{Text: text, IDs: ids, Target: &api.Token{ID: target, Text: t.Tokenizer.Token(target)}}
	trace, err := findings.Trace(t.Executor(), t.Tokenizer, p, t.StepsTaken())
	if errors.Is(err, model.ErrNotNumbers) { // the step itself says where they came from
		i.pending = nil
		return nil
	}
	i.pending = trace
	return err
}

// Followed implements train.Interlude: the step is done through which the example was followed.
func (i *interlude) Followed(f *train.Followed) {
	if i.pending == nil || i.pending.Text != f.Question { // of the run's own stories, nothing was looked at before
		return
	}
	i.pending.Weight = weightStep(f, i.trainer.Options.Optimizer)
	i.show()
}

// show gives the example to the pages, and says when the next one may come.
func (i *interlude) show() {
	if i.pending == nil {
		return
	}
	now := time.Now()
	cost := now.Sub(i.begun)
	i.next = now.Add(max(lookEvery, time.Duration(float64(cost)/lookShare)))
	i.mutex.Lock()
	i.newest, i.unheard = i.pending, true
	i.mutex.Unlock()
	i.pending = nil
}

// optimizerNames are the names of optimizers in texts.
var optimizerNames = map[string]string{"adamw": "AdamW", "sgd": "SGD", "muon": "Muon"}

// weightStep is what happened to the weight that is the most to blame.
func weightStep(f *train.Followed, optimizer string) *api.WeightStep {
	w := &f.Weight
	s := &api.WeightStep{
		Name: w.Parameter + strings.ReplaceAll(fmt.Sprint(w.Index), ",", ""), Old: api.Number(w.Before), New: api.Number(w.After),
		Gradient: api.Number(w.Gradient), ClippedGradient: api.Number(w.Gradient * w.Scale), Direction: api.Number(w.Direction),
		LearningRate: api.Number(w.LearningRate), Optimizer: optimizerNames[optimizer], After: api.Number(f.After),
	}
	if w.Size > 0 {
		mean, size, decay := api.Number(w.Mean), api.Number(w.Size), api.Number(w.Decay)
		s.Mean, s.Size, s.Decay = &mean, &size, &decay
	}
	return s
}

// ask has the training goroutine answer a question, and waits for that.
func (i *interlude) ask(ctx context.Context, ended <-chan struct{}, q Question) (*api.Trace, error) {
	a := &asking{ctx, q, make(chan answered, 1)}
	select {
	case i.asked <- a:
	default:
		return nil, refuse(http.StatusTooManyRequests, "%d questions are waiting already: ask again later", maxAsked)
	}
	select {
	case got := <-a.answer:
		return got.trace, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-ended:
		return nil, refuse(http.StatusConflict, "the run has ended")
	}
}

// pause, resume, step and example are the actions of pages.

func (i *interlude) pause() { i.paused.Store(true) }

func (i *interlude) resume() {
	i.paused.Store(false)
	i.look()
}

func (i *interlude) step() {
	i.paused.Store(true)
	i.stepping.Store(true)
	i.look()
}

func (i *interlude) example() {
	i.showing.Store(true)
	i.look()
}

// look wakes a run that is paused.
func (i *interlude) look() {
	select {
	case i.wake <- struct{}{}:
	default: // it is about to look
	}
}

func (i *interlude) setRests(rests bool) {
	i.mutex.Lock()
	i.rests = rests
	i.mutex.Unlock()
}

// resting says whether the run is paused between two steps.
func (i *interlude) resting() bool {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.rests
}

// await returns when the run is paused and all that was asked of it is done, or after a time.
func (i *interlude) await(ended <-chan struct{}, limit time.Duration) {
	const often = 2 * time.Millisecond
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if i.resting() && !i.stepping.Load() {
			return
		}
		select {
		case <-ended:
			return
		case <-time.After(often):
		}
	}
}

// latest is the example that was shown last, nil before the first one.
func (i *interlude) latest() *api.Trace {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.newest
}

// fresh is an example that was not fetched before, nil where there is none.
func (i *interlude) fresh() *api.Trace {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if !i.unheard {
		return nil
	}
	i.unheard = false
	return i.newest
}
