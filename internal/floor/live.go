package floor

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"trainer/internal/findings"
	"trainer/internal/floor/api"
	"trainer/train"
)

// Live is the run of this process. It is a train.Observer, which takes numbers down, and a train.Interlude, which looks into the model between
// two steps; both belong to the training goroutine and are never kept waiting by a page. All else is asked by pages: Watch, in a goroutine of its
// own, brings what was taken down into the history and publishes it.
type Live struct {
	about About
	run   api.Run // without what changes
	shelf *shelf
	look  *interlude
	done  chan struct{} // the run has ended

	notes notes
	step  atomic.Int64 // the last one that was taken

	mutex   sync.Mutex // of what follows
	history *history
	untold  untold
	state   api.State
}

// About is what the trainer of a run does not know.
type About struct {
	Dir       string // the run folder
	Kind      string // api.Examples or api.Text
	Data      string // where the examples came from, for people
	Questions []string
	Open      string // the command that opens the folder when the run has ended
}

// NewLive returns the source of a run that is about to begin or to go on. The numbers of earlier processes are read from its folder.
func NewLive(t *train.Trainer, about About) (*Live, error) {
	l := &Live{about: about, shelf: newShelf(about.Dir), done: make(chan struct{}), state: api.Training}
	l.step.Store(int64(t.StepsTaken()))
	l.run = describe(t.Model, t.Tokenizer)
	dir, err := filepath.Abs(about.Dir)
	if err != nil {
		return nil, err
	}
	l.run.Name, l.run.Kind, l.run.Live, l.run.Data = filepath.Base(dir), about.Kind, true, about.Data
	l.run.Steps, l.run.Device, l.run.Questions, l.run.Open = t.Options.Steps, t.Device(), about.Questions, about.Open
	var stages []string
	for _, s := range t.Model.Stages {
		stages = append(stages, s.Name)
	}
	earlier := newChronicle(func(name string) (*os.File, error) { return os.Open(filepath.Join(dir, name)) }, stages)
	if err := earlier.follow(ignore); err != nil {
		return nil, err
	}
	l.history = earlier.history
	l.look = newInterlude(t)
	return l, nil
}

// Interlude is what the run needs to have for the page's questions to be answered.
func (l *Live) Interlude() train.Interlude { return l.look }

// End tells pages that the run has come to an end, api.Ended or api.Interrupted, and lets nobody wait for an answer any longer.
func (l *Live) End(state api.State) {
	l.mutex.Lock()
	l.state = state
	l.mutex.Unlock()
	close(l.done)
	go l.shelf.close() // the end of a training waits for no question
}

// Run implements Source.
func (l *Live) Run() api.Run {
	r := l.run
	now := l.current()
	r.State, r.Step = now.State, now.Step
	r.Checkpoints = append(l.shelf.checkpoints(), api.Checkpoint{Step: now.Step, Label: "now"})
	return r
}

// current is where the run stands.
func (l *Live) current() api.StateEvent {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	e := api.StateEvent{State: l.state, Step: int(l.step.Load())}
	if e.State == api.Training && l.look.paused.Load() && l.look.resting() {
		e.State = api.Paused
	}
	if e.State == api.Ended || e.State == api.Interrupted {
		e.Open = l.about.Open
	}
	return e
}

// Metrics implements Source.
func (l *Live) Metrics(since int) *api.Metrics {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.absorb()
	return l.history.metrics(l.run.Name, since)
}

// Trace implements Source. The model as it is belongs to the training goroutine; a checkpoint is read from the folder.
func (l *Live) Trace(ctx context.Context, q Question) (*api.Trace, error) {
	select {
	case <-l.done:
		return nil, hasEnded(l.about.Open)
	default:
	}
	if q.Step != Now {
		return l.shelf.trace(ctx, q)
	}
	return l.look.ask(ctx, l.done, l.shelf.completed(q, l.look.trainer.Tokenizer))
}

// Example implements Source. The first one to ask may have to wait for the end of a step.
func (l *Live) Example(ctx context.Context) (*api.Trace, error) {
	if e := l.look.latest(); e != nil {
		return e, nil
	}
	if len(l.about.Questions) == 0 {
		return nil, refuse(http.StatusNotFound, "no example has been followed yet: ask again in a second")
	}
	return l.Trace(ctx, Question{Text: l.about.Questions[0], Step: Now})
}

// Findings implements Source. They take longer than a training should wait: those of Now are the last checkpoint's.
func (l *Live) Findings(ctx context.Context, step int) (*findings.Findings, error) {
	if step == Now && !l.shelf.saved() {
		return nil, refuse(http.StatusNotFound, "there are no findings before the first checkpoint: ask again behind it")
	}
	return l.shelf.findings(ctx, step)
}

// restLimit is how long an action waits until the step at work has ended, so that its answer is true.
const restLimit = 5 * time.Second

// Control implements Source.
func (l *Live) Control(action string) (api.StateEvent, error) {
	select {
	case <-l.done:
		return api.StateEvent{}, hasEnded(l.about.Open)
	default:
	}
	switch action {
	case api.Pause:
		l.look.pause()
	case api.Resume:
		l.look.resume()
	case api.Step:
		l.look.step()
	case api.Example:
		l.look.example()
	default:
		return api.StateEvent{}, refuse(http.StatusBadRequest, "action %q: expected %s, %s, %s or %s", action, api.Pause, api.Resume, api.Step, api.Example)
	}
	if action == api.Pause || action == api.Step {
		l.look.await(l.done, restLimit)
	}
	return l.current(), nil
}

// hasEnded refuses what takes a run that goes on.
func hasEnded(open string) error {
	return refuse(http.StatusConflict, "the run has ended: open it with %s", open)
}

// watchEvery is the time between two looks at what was taken down: pages get at most so many events of a step.
const watchEvery = 100 * time.Millisecond

// Watch implements Source.
func (l *Live) Watch(ctx context.Context, h *Hub) {
	l.look.hub.Store(h)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	told := api.StateEvent{}
	for ended := false; !ended; { // what happened until the end is still told
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		l.publish(h)
		if now := l.current(); now.State != told.State {
			told = now
			h.Publish(eventState, now)
		}
	}
}

// absorb brings what was taken down into the history, and keeps it to be told. The caller has the mutex.
func (l *Live) absorb() {
	taken := l.notes.take()
	w := 1 + l.history.width()
	for at := 0; at < len(taken.steps); at += w {
		step, numbers := int(taken.steps[at]), taken.steps[at+1:at+w]
		l.history.add(step, numbers)
		if at+w == len(taken.steps) { // pages are told of the last one
			last := event(step, numbers)
			l.untold.step = &last
		}
	}
	for _, e := range taken.evaluations {
		l.history.evaluated(e)
	}
	for _, s := range taken.samples {
		l.history.sampled(s)
	}
	l.untold.evaluations = append(l.untold.evaluations, taken.evaluations...)
	l.untold.samples = append(l.untold.samples, taken.samples...)
	l.untold.checkpoints = append(l.untold.checkpoints, taken.checkpoints...)
}

// untold are events on their way to the pages.
type untold struct {
	step        *api.StepEvent
	evaluations []api.Evaluation
	samples     []api.Sample
	checkpoints []api.Checkpoint
}

// publish tells what has happened.
func (l *Live) publish(h *Hub) {
	l.mutex.Lock()
	l.absorb()
	u := l.untold
	l.untold = untold{}
	l.mutex.Unlock()
	if u.step != nil {
		h.Publish(eventStep, *u.step)
	}
	for _, e := range u.evaluations {
		h.Publish(eventEvaluation, e)
	}
	for _, s := range u.samples {
		h.Publish(eventSample, s)
	}
	for _, c := range u.checkpoints {
		h.Publish(eventCheckpoint, c)
	}
	if e := l.look.fresh(); e != nil {
		h.Publish(eventExample, e)
	}
}
