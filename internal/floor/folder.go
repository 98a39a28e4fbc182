package floor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"trainer/internal/fault"
	"trainer/internal/findings"
	"trainer/internal/floor/api"
	"trainer/internal/lockfile"
	"trainer/model"
	"trainer/train"
)

// Folder is a run in its folder: one that has ended, or one that goes on in another process, whose numbers are followed as they are written.
type Folder struct {
	dir   string
	run   api.Run // without what changes
	shelf *shelf

	mutex     sync.Mutex // of what follows
	chronicle *chronicle
}

// OpenFolder opens a run folder, or the folder of another model, of which there are no numbers. The error is of class data.
func OpenFolder(dir string) (*Folder, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, model.ConfigFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Dataf("there is no model in %s: expected the folder of a run, such as runs/calculator", dir)
	}
	f := &Folder{dir: dir, shelf: newShelf(dir)}
	m, t, step, err := f.shelf.current()
	if err != nil {
		return nil, err
	}
	f.run = describe(m, t)
	f.run.Name, f.run.Kind, f.run.Step = filepath.Base(absolute), api.Text, step
	if f.run.QuestionEnds != "" {
		f.run.Kind = api.Examples
	}
	state, err := f.shelf.state()
	if err != nil {
		return nil, err
	}
	if state != nil {
		f.run.Steps, f.run.Data = state.Options.Steps, cmp.Or(state.Arguments[dataFlag], calculatorData)
	}
	f.run.Device = deviceOf(dir)
	var stages []string
	for _, s := range f.run.Stages {
		stages = append(stages, s.Name)
	}
	f.chronicle = newChronicle(func(name string) (*os.File, error) { return os.Open(filepath.Join(dir, name)) }, stages)
	return f, f.chronicle.follow(ignore)
}

// What the training command was given as data, and what it takes where it was given none.
const (
	dataFlag       = "data"
	calculatorData = "arithmetic over 0 to 99 in words"
)

// deviceOf is what a run that has ended ran on, from its result; "" where there is none.
func deviceOf(dir string) string {
	var result struct{ Device string }
	text, err := os.ReadFile(filepath.Join(dir, train.SummaryFile))
	if err != nil || json.Unmarshal(text, &result) != nil {
		return ""
	}
	return result.Device
}

// Close frees the models.
func (f *Folder) Close() { f.shelf.close() }

// Run implements Source.
func (f *Folder) Run() api.Run {
	r := f.run
	now := f.current()
	r.State, r.Step = now.State, now.Step
	f.mutex.Lock()
	r.Questions = f.chronicle.history.questions()
	f.mutex.Unlock()
	last := r.Step
	if s, err := f.shelf.state(); err == nil && s != nil {
		last = s.Step
	}
	r.Checkpoints = slices.DeleteFunc(f.shelf.checkpoints(), func(c api.Checkpoint) bool { return c.Step >= last })
	r.Checkpoints = append(r.Checkpoints, api.Checkpoint{Step: last, Label: "now"})
	return r
}

// current is where the run stands: whether its trainer has the lock, and else whether it came to its end.
func (f *Folder) current() api.StateEvent {
	f.mutex.Lock()
	e := api.StateEvent{State: api.Interrupted, Step: max(f.run.Step, f.chronicle.history.last())}
	f.mutex.Unlock()
	_, err := os.Stat(filepath.Join(f.dir, train.SummaryFile))
	switch {
	case lockfile.IsHeld(f.dir):
		e.State = api.Training
	case err == nil || e.Step >= f.run.Steps:
		e.State = api.Ended
	}
	return e
}

// Metrics implements Source.
func (f *Folder) Metrics(since int) *api.Metrics {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.chronicle.follow(ignore) // what cannot be read is told as what was read before
	return f.chronicle.history.metrics(f.run.Name, since)
}

// Trace implements Source.
func (f *Folder) Trace(ctx context.Context, q Question) (*api.Trace, error) {
	return f.shelf.trace(ctx, q)
}

// Example implements Source.
func (f *Folder) Example(ctx context.Context) (*api.Trace, error) {
	f.mutex.Lock()
	questions := f.chronicle.history.questions()
	f.mutex.Unlock()
	return f.shelf.example(ctx, questions)
}

// Findings implements Source.
func (f *Folder) Findings(ctx context.Context, step int) (*findings.Findings, error) {
	return f.shelf.findings(ctx, step)
}

// Control implements Source.
func (f *Folder) Control(string) (api.StateEvent, error) {
	return api.StateEvent{}, refuse(http.StatusConflict, "this page shows a folder: pause the run on the page of the training itself, with -http")
}

// followEvery is the time between two looks into a folder.
const followEvery = 500 * time.Millisecond

// Watch implements Source.
func (f *Folder) Watch(ctx context.Context, h *Hub) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var told api.State
	kept := len(f.shelf.checkpoints())
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if h.Readers() == 0 {
			continue
		}
		f.publish(h)
		if now := f.current(); now.State != told {
			told = now.State
			h.Publish(eventState, now)
		}
		if list := f.shelf.checkpoints(); len(list) != kept {
			kept = len(list)
			if kept > 0 {
				h.Publish(eventCheckpoint, list[kept-1])
			}
		}
	}
}

// publish tells what was written since the last time.
func (f *Folder) publish(h *Hub) {
	var steps []api.StepEvent
	var evaluations []api.Evaluation
	var samples []api.Sample
	f.mutex.Lock()
	f.chronicle.follow(sink{
		stepped:   func(e api.StepEvent) { steps = append(steps[:0], e) },
		evaluated: func(e api.Evaluation) { evaluations = append(evaluations, e) },
		sampled:   func(s api.Sample) { samples = append(samples, s) },
	})
	f.mutex.Unlock()
	for _, e := range steps {
		h.Publish(eventStep, e)
	}
	for _, e := range evaluations {
		h.Publish(eventEvaluation, e)
	}
	for _, s := range samples {
		h.Publish(eventSample, s)
	}
}
