package floor

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/internal/floor/api"
	"trainer/train"
)

// discard is an Observer that nobody asks.
type discard struct{}

func (discard) Stepped(*train.Metrics)           {}
func (discard) Followed(*train.Followed)         {}
func (discard) Evaluated(int, *train.Evaluation) {}
func (discard) Saved(train.Checkpoint)           {}

func questionsOf(run *training) []train.Sample {
	return []train.Sample{{Step: run.StepsTaken(), Prompt: "two plus three equals", Text: "five"}}
}

func TestTheWeightsBeforeTrainingAreMadeAgainFromTheSeed(t *testing.T) {
	run := newTraining(t, 4)
	initial := slices.Clone(run.Model.Weights)
	if err := run.Trainer.Run(t.Context(), run.plan, discard{}); err != nil {
		t.Fatal(err)
	}
	s := newShelf(run.dir)
	defer s.close()
	for step, want := range map[int][]float32{0: initial, 4: run.Model.Weights} {
		err := s.with(t.Context(), step, func(o *opened) error {
			if !slices.Equal(o.model.Weights, want) {
				t.Errorf("the weights of step %d are others", step)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := s.with(t.Context(), 2, func(*opened) error { return nil }); err == nil || statusOf(err) != 404 {
		t.Errorf("a checkpoint that was not kept: %v", err)
	}
}

func TestKeptCheckpointsAreListedAndOpened(t *testing.T) {
	run := newTraining(t, 6)
	run.plan.SaveEvery, run.plan.Keep = 2, train.Keep{Last: 9}
	if err := run.Trainer.Run(t.Context(), run.plan, discard{}); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFolder(run.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := []api.Checkpoint{{Step: 0, Label: "before training"}, {Step: 2, Label: "2"}, {Step: 4, Label: "4"}, {Step: 6, Label: "now"}}
	if got := f.Run().Checkpoints; !slices.Equal(got, want) {
		t.Errorf("checkpoints are %v, want %v", got, want)
	}
	seen := make(map[api.Number]bool)
	for _, c := range want {
		trace, err := f.Trace(t.Context(), Question{Text: "two plus three equals", Step: c.Step})
		if err != nil || trace.Step != c.Step {
			t.Fatalf("the trace of step %d is of %+v: %v", c.Step, trace, err)
		}
		seen[trace.Logits.Top[0].Probability] = true
	}
	if len(seen) != len(want) {
		t.Errorf("%d checkpoints make %d predictions", len(want), len(seen))
	}
}

func TestARunThatGoesOnIsFollowed(t *testing.T) {
	run := newTraining(t, 1<<20)
	ctx, interrupt := context.WithCancel(t.Context())
	run.plan.SaveEvery = 50
	ended := make(chan error)
	go func() { ended <- run.Trainer.Run(ctx, run.plan, discard{}) }()
	eventually(t, "a model", func() bool { _, err := os.Stat(filepath.Join(run.dir, "config.json")); return err == nil })
	f, err := OpenFolder(run.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	eventually(t, "steps", func() bool { return len(f.Metrics(0).Steps) > 0 })
	first := f.Run()
	if first.State != api.Training || first.Step == 0 {
		t.Errorf("the run is %s at step %d", first.State, first.Step)
	}
	eventually(t, "more steps", func() bool { f.Metrics(0); return f.Run().Step > first.Step+100 })
	interrupt()
	<-ended
	if err := run.plan.Folder.Close(); err != nil {
		t.Fatal(err)
	}
	f.Metrics(0)
	if last := f.Run(); last.State != api.Interrupted || last.Step != run.StepsTaken() {
		t.Errorf("the run is %s at step %d, want %s at %d", last.State, last.Step, api.Interrupted, run.StepsTaken())
	}
}

func TestAFolderThatIsRemovedIsAnErrorAndNoPanic(t *testing.T) {
	run, _, s := ended(t, 2)
	if err := os.RemoveAll(filepath.Dir(run.dir)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/api/run": 200, "/api/metrics": 200, "/api/trace?text=two+plus+three+equals&step=0": 500, "/api/metrics?run=other": 404, "/": 200,
	} {
		if status, text := fetch(t, s, "GET", path, "", nil); status != want {
			t.Errorf("%s: status %d, want %d: %s", path, status, want, text)
		}
	}
}

func TestRunsBesideOneAreLaidOverIt(t *testing.T) {
	run, _, s := ended(t, 8)
	if err := os.CopyFS(filepath.Join(filepath.Dir(run.dir), "other run"), os.DirFS(run.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(filepath.Dir(run.dir), "no run"), 0o777); err != nil {
		t.Fatal(err)
	}
	if got := get[api.Run](t, s, "/api/run").Runs; !slices.Equal(got, []string{"other run", "sums"}) {
		t.Errorf("runs are %q", got)
	}
	own, other := get[api.Metrics](t, s, "/api/metrics?run=sums"), get[api.Metrics](t, s, "/api/metrics?run=other+run&since=3")
	if !slices.Equal(own.Loss[3:], other.Loss) || len(other.Steps) != 5 || other.Steps[0] != 4 || !slices.Equal(own.Blame.Stages, other.Blame.Stages) {
		t.Errorf("one's own are %v %v, the other's %v %v", own.Steps, own.Blame.Stages, other.Steps, other.Blame.Stages)
	}
}

func TestAFolderWithoutAModelIsNamed(t *testing.T) {
	if _, err := OpenFolder(t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no model in") {
		t.Error(err)
	}
}

// A run that has ended shows an example of its own up to the update, which nobody takes.
func TestAFolderFollowsAnExampleUpToTheUpdate(t *testing.T) {
	run, _, s := ended(t, 6)
	before, err := os.ReadFile(filepath.Join(run.dir, train.StateFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/example", "/api/trace?text=two++plus+three+equals", "/api/trace?text=two+plus+three+equals&target=five"} {
		trace := get[api.Trace](t, s, path)
		if trace.Target == nil || trace.Target.Text != "five" || trace.Loss == nil || len(trace.Blame) != len(run.Model.Stages) {
			t.Fatalf("%s: target %+v, loss %v, blame %v", path, trace.Target, trace.Loss, trace.Blame)
		}
		if w := trace.Weight; w == nil || w.New == w.Old || w.Optimizer != "AdamW" || w.Gradient == 0 {
			t.Errorf("%s: the update is %+v", path, w)
		}
	}
	if trace := get[api.Trace](t, s, "/api/trace?text=two+plus+three+equals&step=0"); trace.Loss == nil || trace.Weight != nil {
		t.Errorf("with weights made again from the seed, without a state: loss %v, update %+v", trace.Loss, trace.Weight)
	}
	if trace := get[api.Trace](t, s, "/api/trace?text=two+two+two"); trace.Target != nil {
		t.Errorf("what no example asks has the answer %+v", trace.Target)
	}
	if after, err := os.ReadFile(filepath.Join(run.dir, train.StateFile)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("looking has changed the folder: %v", err)
	}
}
