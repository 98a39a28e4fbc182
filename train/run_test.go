package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trainer/internal/fault"
	"trainer/train/examples"
)

// recorder is an Observer that writes down what it is told, and calls back after each step.
type recorder struct {
	events []string
	after  func(step int)
}

func (r *recorder) note(format string, args ...any) {
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *recorder) Stepped(m *Metrics) {
	r.note("step %d", m.Step)
	if r.after != nil {
		r.after(m.Step)
	}
}

func (r *recorder) Followed(f *Followed) { r.note("follow %q in %d", f.Question, f.Step) }

func (r *recorder) Evaluated(step int, e *Evaluation) { r.note("evaluate %d of %d", step, e.Total) }

func (r *recorder) Saved(c Checkpoint) { r.note("save %d", c.Step) }

// newRun returns a trainer and its plan in a new folder.
func newRun(t *testing.T, list, heldOut []examples.Example, o Options) (*Trainer, Plan) {
	t.Helper()
	f := openFolder(t, t.TempDir())
	openMetrics(t, f, 0)
	return newTrainerOf(t, small(calculatorWords(t).VocabSize()), list, heldOut, o), Plan{Folder: f}
}

// savedStep is the step of the folder's checkpoint, whose model must load.
func savedStep(t *testing.T, f *Folder) int {
	t.Helper()
	s, err := f.State()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := resumed(t, f, mixed(20), s.Options); err != nil {
		t.Fatal(err)
	}
	return s.Step
}

// awaitCheckpoint waits until the checkpoint of a step is in place.
func awaitCheckpoint(t *testing.T, f *Folder, step int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		cutOff, err := filepath.Glob(f.Path(".checkpoint-*"))
		if err != nil {
			t.Fatal(err)
		}
		if s, err := f.State(); err == nil && s.Step == step && len(cutOff) == 0 {
			return
		}
	}
	t.Fatalf("step %d is not saved", step)
}

func TestRunTellsItsObserverWhatHappensInOrder(t *testing.T) {
	o := quick()
	o.Steps = 5
	trainer, plan := newRun(t, mixed(20), mixed(3), o)
	plan.EvaluateEvery, plan.SaveEvery = 2, 4
	followed := dataOf(trainer).Examples[trainer.NextExample()].Question
	var r recorder
	if err := trainer.Run(t.Context(), plan, &r); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"save 0", fmt.Sprintf("follow %q in 1", followed), "step 1", "step 2", "evaluate 2 of 3", "step 3", "step 4", "evaluate 4 of 3",
		fmt.Sprintf("follow %q in 5", followed), "step 5", "evaluate 5 of 3", "save 5",
	}
	// The checkpoint of step 4 is written while step 5 is taken.
	at := slices.Index(r.events, "save 4")
	if at < slices.Index(r.events, "evaluate 4 of 3") {
		t.Errorf("step 4 was saved as event %d of %q", at, r.events)
	}
	if !slices.Equal(slices.Delete(slices.Clone(r.events), max(0, at), at+1), want) {
		t.Errorf("the observer was told\n%s\nwant\n%s", strings.Join(r.events, "\n"), strings.Join(want, "\n"))
	}
	if err := plan.Folder.flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(metricsText(t, plan.Folder), "\n")
	evaluation := func(i, step int) bool {
		return strings.HasPrefix(lines[i], fmt.Sprintf(`{"step":%d,"held_out_loss"`, step))
	}
	if len(lines) != 9 || !evaluation(2, 2) || !evaluation(5, 4) || !evaluation(7, 5) {
		t.Errorf("metrics.jsonl holds\n%s", strings.Join(lines, "\n"))
	}
}

func TestAStepIsSavedOnce(t *testing.T) {
	trainer, plan := newRun(t, mixed(20), nil, quick())
	plan.SaveEvery, plan.StopAfter = 3, 3
	var r recorder
	if err := trainer.Run(t.Context(), plan, &r); !errors.Is(err, fault.ErrInterrupted) {
		t.Fatal(err)
	}
	if n := len(r.events); r.events[n-1] != "save 3" || r.events[n-2] != "step 3" {
		t.Errorf("the observer was told %q, want one save of step 3", r.events)
	}
}

func TestRunOfOneStepFollowsItOnce(t *testing.T) {
	o := quick()
	o.Steps = 1
	trainer, plan := newRun(t, mixed(20), nil, o)
	var r recorder
	if err := trainer.Run(t.Context(), plan, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.events) != 4 || r.events[0] != "save 0" || r.events[2] != "step 1" || r.events[3] != "save 1" {
		t.Errorf("the observer was told %q, want a save, a followed step and a save", r.events)
	}
}

func TestAnInterruptedRunIsSavedAndGoesOnAsIfNeverStopped(t *testing.T) {
	list := mixed(20)
	whole, plan := newRun(t, list, nil, quick())
	if err := whole.Run(t.Context(), plan, &recorder{}); err != nil {
		t.Fatal(err)
	}
	want := contents(t, plan.Folder.Dir)

	for name, run := range map[string]func(trainer *Trainer, plan Plan) error{
		"StopAfter": func(trainer *Trainer, plan Plan) error {
			plan.StopAfter = 5
			return trainer.Run(t.Context(), plan, &recorder{})
		},
		"context": func(trainer *Trainer, plan Plan) error {
			ctx, cancel := context.WithCancel(t.Context())
			return trainer.Run(ctx, plan, &recorder{after: func(step int) {
				if step == 5 {
					cancel()
				}
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			trainer, plan := newRun(t, list, nil, quick())
			if err := run(trainer, plan); !errors.Is(err, fault.ErrInterrupted) {
				t.Fatalf("error is %v, want %v", err, fault.ErrInterrupted)
			}
			if step := savedStep(t, plan.Folder); step != 5 {
				t.Errorf("step %d was saved, want 5", step)
			}
			trainer, err := resumed(t, plan.Folder, list, quick())
			if err != nil {
				t.Fatal(err)
			}
			if err := trainer.Run(t.Context(), plan, &recorder{}); err != nil {
				t.Fatal(err)
			}
			got := contents(t, plan.Folder.Dir)
			for _, name := range []string{"model.safetensors", StateFile} {
				if got[name] != want[name] {
					t.Errorf("%s differs from that of a run that was never stopped", name)
				}
			}
		})
	}
}

func TestAnInterruptedRunThatCannotBeSavedDoesNotSayItWas(t *testing.T) {
	trainer, plan := newRun(t, mixed(20), nil, quick())
	plan.StopAfter = 3
	r := &recorder{after: func(step int) {
		if step == 3 {
			write(t, plan.Folder.Path(".checkpoint-new"), "a file where the folder of the next checkpoint would be")
		}
	}}
	err := trainer.Run(t.Context(), plan, r)
	if err == nil || errors.Is(err, fault.ErrInterrupted) || !strings.Contains(err.Error(), "checkpoint of step 3: ") {
		t.Errorf("error is %v, want that of the checkpoint of step 3", err)
	}
}

func TestASaveThatFailsEndsTheRunAndKeepsTheLastCheckpoint(t *testing.T) {
	trainer, plan := newRun(t, mixed(20), nil, quick())
	plan.SaveEvery = 2
	var before map[string]string
	r := &recorder{after: func(step int) {
		if step == 4 {
			awaitCheckpoint(t, plan.Folder, 2)
			before = contents(t, plan.Folder.Dir)
			write(t, plan.Folder.Path(".checkpoint-new"), "a file where the folder of the next checkpoint would be")
		}
	}}
	err := trainer.Run(t.Context(), plan, r)
	if err == nil || fault.ExitCode(err) != fault.ExitFailure || !strings.Contains(err.Error(), "checkpoint of step 4: ") {
		t.Errorf("error is %v, want a failure of the checkpoint of step 4", err)
	}
	after := contents(t, plan.Folder.Dir)
	for _, name := range []string{"model.safetensors", StateFile, "config.json", "tokenizer.json"} {
		if after[name] != before[name] {
			t.Errorf("%s has changed", name)
		}
	}
	if slices.Contains(r.events, "save 4") || slices.Contains(r.events, "save 6") {
		t.Errorf("the observer was told %q, and step 4 was not saved", r.events)
	}
}

func TestRunStopsAtTheTargetAccuracy(t *testing.T) {
	o := quick()
	o.Steps, o.Batch, o.LearningRate, o.WeightDecay = 1000, 100, 1e-2, 0
	trainer, plan := newRun(t, sums(t, 9), sums(t, 5), o)
	plan.EvaluateEvery, plan.TargetAccuracy = 10, 0.5
	var r recorder
	if err := trainer.Run(t.Context(), plan, &r); err != nil {
		t.Fatal(err)
	}
	e, err := trainer.Evaluate(trainer.HeldOut)
	if err != nil {
		t.Fatal(err)
	}
	step := trainer.StepsTaken()
	if e.Accuracy() < 0.5 || step >= o.Steps || step%10 != 0 {
		t.Errorf("stopped at step %d of %d with accuracy %g", step, o.Steps, e.Accuracy())
	}
	if last := r.events[len(r.events)-1]; last != fmt.Sprintf("save %d", step) {
		t.Errorf("the last that was told is %q, want the save of step %d", last, step)
	}
}

func TestABreakdownEndsTheRunWithTheLastCheckpointWhole(t *testing.T) {
	trainer, plan := newRun(t, mixed(20), nil, quick())
	plan.SaveEvery = 2
	var before map[string]string
	r := &recorder{after: func(step int) {
		if step == 5 {
			awaitCheckpoint(t, plan.Folder, 4)
			before = contents(t, plan.Folder.Dir)
			trainer.Model.Parameter("transformer.ln_f.bias").Value[0] = float32(math.NaN())
		}
	}}
	err := trainer.Run(t.Context(), plan, r)
	var broken *NonFiniteError
	if !errors.As(err, &broken) || broken.Step != 6 || broken.Stage != "output" {
		t.Errorf("error is %v, want a *NonFiniteError of step 6 in the output", err)
	}
	if !maps.Equal(contents(t, plan.Folder.Dir), before) {
		t.Error("the folder has changed")
	}
	if step := savedStep(t, plan.Folder); step != 4 {
		t.Errorf("step %d is saved, want 4", step)
	}
}

// endsAfter is a context that has ended when it is asked for the n-th time.
type endsAfter struct {
	context.Context
	left atomic.Int64
}

func (e *endsAfter) Err() error {
	if e.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func TestALongStepIsGivenUpInTheMiddleAndTakenAgain(t *testing.T) {
	for _, threads := range []int{1, 2} {
		o := quick()
		o.Accumulate, o.Steps, o.Threads = 20, 4, threads
		whole, plan := newRun(t, mixed(40), nil, o)
		if err := whole.Run(t.Context(), plan, &recorder{}); err != nil {
			t.Fatal(err)
		}
		for _, asked := range []int64{3, 30, 47} {
			trainer, plan := newRun(t, mixed(40), nil, o)
			ctx := &endsAfter{Context: t.Context()}
			ctx.left.Store(asked)
			if err := trainer.Run(ctx, plan, &recorder{}); !errors.Is(err, fault.ErrInterrupted) {
				t.Fatalf("the run ended with %v", err)
			}
			if trainer.step >= o.Steps || trainer.step*o.Accumulate*o.Batch != trainer.sampler.epoch*trainer.sampler.size+trainer.sampler.next {
				t.Errorf("after %d steps the sampler is at %d of epoch %d", trainer.step, trainer.sampler.next, trainer.sampler.epoch)
			}
			next, err := resumed(t, plan.Folder, mixed(40), o)
			if err != nil {
				t.Fatal(err)
			}
			steps(t, next, o.Steps-trainer.step)
			sameBits(t, "weights of the resumed run", next.Model.Weights, whole.Model.Weights)
		}
	}
}
