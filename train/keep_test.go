package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"trainer/internal/fault"
	"trainer/model"
)

func TestRetainedAreTheLastCheckpointsAndTheBest(t *testing.T) {
	at := func(step int, loss, accuracy float64) kept { return kept{step, &HeldOut{loss, accuracy}} }
	before := []kept{at(1, 3, 0.1), at(2, 1, 0.2), {step: 3}, at(4, 1, 0.5), at(5, 2, 0.4)}
	for _, test := range []struct {
		keep    Keep
		current kept
		want    []int
	}{
		{Keep{Last: 2}, at(6, 0, 1), []int{4, 5}},
		{Keep{Last: 9}, at(6, 0, 1), []int{1, 2, 3, 4, 5}},
		{Keep{Best: ByLoss}, at(6, 1, 1), []int{2}}, // the first of equals
		{Keep{Best: ByLoss}, at(6, 0.5, 0), []int{6}},
		{Keep{Best: ByLoss}, kept{step: 6}, []int{2}},
		{Keep{Best: ByAccuracy}, at(6, 0, 0.5), []int{4}},
		{Keep{Best: ByAccuracy}, at(6, 9, 0.6), []int{6}},
		{Keep{Last: 1, Best: ByLoss}, at(6, 1, 1), []int{5, 2}},
		{Keep{Last: 2, Best: ByAccuracy}, at(6, 0, 0), []int{4, 5}},
	} {
		if got := test.keep.retained(before, test.current); !slices.Equal(got, test.want) {
			t.Errorf("%+v with %+v: %v stay, want %v", test.keep, test.current, got, test.want)
		}
	}
	if got := (Keep{Best: ByLoss}).retained([]kept{{step: 1}}, kept{step: 2}); len(got) > 0 {
		t.Errorf("where nothing was evaluated %v stay", got)
	}
}

// keptIn are the steps of the kept checkpoints, each of which must be whole.
func keptIn(t *testing.T, f *Folder) []int {
	t.Helper()
	steps, err := KeptSteps(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if _, err := model.Load(f.keptPath(step)); err != nil {
			t.Error(err)
		}
		if s, err := ReadState(filepath.Join(f.keptPath(step), StateFile)); err != nil || s.Step != step {
			t.Errorf("the state in %s is %+v, %v", f.keptPath(step), s, err)
		}
	}
	entries, err := os.ReadDir(f.Path(KeptFolder))
	if err == nil && len(entries) != len(steps) {
		t.Errorf("%s holds %v besides the checkpoints of the steps %v", KeptFolder, entries, steps)
	}
	return steps
}

// keeping is a run in which everything is kept, with a checkpoint every three steps.
func keeping(t *testing.T, keep Keep) (*Trainer, Plan, *recorder) {
	trainer, plan := newRun(t, mixed(20), mixed(6), quick())
	plan.SaveEvery, plan.EvaluateEvery, plan.Keep = 3, 4, keep
	return trainer, plan, &recorder{}
}

func TestEachCheckpointThatIsKeptIsTheRunAsOfItsStep(t *testing.T) {
	trainer, plan, r := keeping(t, Keep{Last: 20})
	if err := trainer.Run(t.Context(), plan, r); err != nil {
		t.Fatal(err)
	}
	if got := keptIn(t, plan.Folder); !slices.Equal(got, []int{0, 3, 6, 9}) {
		t.Errorf("the steps %v are kept, want those before the last, 12", got)
	}
	for _, step := range []int{3, 9} {
		other, otherPlan, r := keeping(t, Keep{})
		otherPlan.StopAfter = step
		if err := other.Run(t.Context(), otherPlan, r); !errors.Is(err, fault.ErrInterrupted) {
			t.Fatal(err)
		}
		for _, name := range checkpointFiles {
			got, err1 := os.ReadFile(filepath.Join(plan.Folder.keptPath(step), name))
			want, err2 := os.ReadFile(otherPlan.Folder.Path(name))
			if err := errors.Join(err1, err2); err != nil || string(got) != string(want) {
				t.Errorf("%s of step %d is not that of a run which stopped there: %v", name, step, err)
			}
		}
	}
}

func TestTheBestCheckpointIsWrittenWhereItWasMeasuredAndKept(t *testing.T) {
	for _, measure := range []Measure{ByLoss, ByAccuracy} {
		trainer, plan, r := keeping(t, Keep{Best: measure})
		plan.SaveEvery = 0 // none but those of the best
		var best *HeldOut
		bestStep := -1
		watch := watcher{r, func(step int, e *Evaluation) {
			if h := e.heldOut(); measure.better(h, best) {
				best, bestStep = h, step
			}
		}}
		if err := trainer.Run(t.Context(), plan, watch); err != nil {
			t.Fatal(err)
		}
		if got := keptIn(t, plan.Folder); !slices.Equal(got, []int{bestStep}) {
			t.Errorf("by %s the steps %v are kept, want %d", measure, got, bestStep)
		}
		path, h, err := plan.Folder.Best(measure)
		if err != nil || path != plan.Folder.keptPath(bestStep) || *h != *best {
			t.Errorf("by %s the best is %s with %+v, %v; want that of step %d with %+v", measure, path, h, err, bestStep, best)
		}
	}
}

// watcher is an Observer that looks at evaluations.
type watcher struct {
	*recorder
	evaluated func(step int, e *Evaluation)
}

func (w watcher) Evaluated(step int, e *Evaluation) { w.evaluated(step, e) }

func TestAResumedRunKeepsWhatOneThatWasNeverStoppedKeeps(t *testing.T) {
	keep := Keep{Last: 2, Best: ByAccuracy}
	trainer, plan, r := keeping(t, keep)
	if err := trainer.Run(t.Context(), plan, r); err != nil {
		t.Fatal(err)
	}
	want := keptIn(t, plan.Folder)
	for stop := 1; stop < 12; stop++ {
		trainer, plan, r := keeping(t, keep)
		for _, at := range []int{stop, stop, 0} { // the second time no step is taken, and the state stays that of an evaluated one
			plan.StopAfter = at
			if err := trainer.Run(t.Context(), plan, r); at > 0 && !errors.Is(err, fault.ErrInterrupted) || at == 0 && err != nil {
				t.Fatal(err)
			}
			if at == 0 {
				break
			}
			s, err := plan.Folder.State()
			if err != nil || (s.HeldOut != nil) != due(stop, plan.EvaluateEvery) {
				t.Errorf("stopped at step %d: its checkpoint did %+v, %v", stop, s.HeldOut, err)
			}
			if trainer, err = resumed(t, plan.Folder, mixed(20), quick()); err != nil {
				t.Fatal(err)
			}
			trainer.HeldOut = dataset(t, trainer.Tokenizer, mixed(6), trainer.Model.Config.Context)
		}
		got := keptIn(t, plan.Folder)
		// A stop is a checkpoint more, which may be among the last.
		if best := want[0]; !slices.Contains(got, best) || len(got) != len(want) {
			t.Errorf("stopped at step %d: the steps %v are kept, want as many as %v and the best, %d", stop, got, want, best)
		}
	}
}

func TestOnlyWhatIsBehindAStepAndACheckpointIsDropped(t *testing.T) {
	f := openFolder(t, t.TempDir())
	for _, name := range []string{"step-000003", "step-000006", "step-1234567", "step-6", "step-0000007", "notes"} {
		if err := os.MkdirAll(f.Path(filepath.Join(KeptFolder, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, f.Path(filepath.Join(KeptFolder, name, "file")), "")
	}
	for _, test := range []struct {
		behind int
		want   string
	}{{3, "[notes step-0000007 step-000003 step-6]"}, {-1, "[notes step-0000007 step-6]"}} {
		if err := f.DropKept(test.behind); err != nil {
			t.Fatal(err)
		}
		var names []string
		entries, err := os.ReadDir(f.Path(KeptFolder))
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		if got := fmt.Sprint(names); got != test.want || err != nil {
			t.Errorf("behind step %d: %s are left, want %s", test.behind, got, test.want)
		}
	}
}
