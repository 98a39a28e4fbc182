package floor

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"trainer/internal/fault"
	"trainer/internal/floor/api"
	"trainer/train"
)

const endless = 1 << 30

func TestPausingStopsTheStepsAndResumingGoesOn(t *testing.T) {
	run := newTraining(t, endless)
	_, s, _ := run.begin(t)
	eventually(t, "a step", func() bool { return get[api.Run](t, s, "/api/run").Step > 0 })
	paused := control(t, s, api.Pause)
	if paused.State != api.Paused {
		t.Fatalf("the state is %v", paused)
	}
	time.Sleep(30 * time.Millisecond)
	if now := get[api.Run](t, s, "/api/run"); now.Step != paused.Step || now.State != api.Paused {
		t.Errorf("a paused run went from step %d to %d, %s", paused.Step, now.Step, now.State)
	}
	if e := control(t, s, api.Resume); e.State != api.Training {
		t.Errorf("the state behind %s is %v", api.Resume, e)
	}
	eventually(t, "the next step", func() bool { return get[api.Run](t, s, "/api/run").Step > paused.Step })
}

func TestOneStepIsTakenAndItsExampleShown(t *testing.T) {
	run := newTraining(t, endless)
	_, s, _ := run.begin(t)
	first := control(t, s, api.Pause)
	for n := 1; n <= 3; n++ {
		if e := control(t, s, api.Step); e.State != api.Paused || e.Step != first.Step+n {
			t.Fatalf("step %d leads to %v, want step %d", n, e, first.Step+n)
		}
		trace := get[api.Trace](t, s, "/api/example")
		w := trace.Weight
		if trace.Step != first.Step+n-1 || w == nil || trace.Loss == nil {
			t.Fatalf("the example is that of step %d, with the weight %+v", trace.Step, w)
		}
		if moved := w.Old - w.LearningRate*w.Direction; float32(moved-w.New) > 1e-6 || float32(w.New-moved) > 1e-6 || w.Old == w.New {
			t.Errorf("step %d: %g - %g × %g is %g, not %g", n, w.Old, w.LearningRate, w.Direction, moved, w.New)
		}
	}
}

func TestQuestionsAreAnsweredByTheModelAsItIs(t *testing.T) {
	run := newTraining(t, endless)
	_, s, _ := run.begin(t)
	for _, paused := range []bool{false, true} {
		if paused {
			control(t, s, api.Pause)
		}
		before := get[api.Run](t, s, "/api/run").Step
		trace := get[api.Trace](t, s, "/api/trace?text=two+plus+three+equals&target=five")
		if trace.Step < before || len(trace.Tokens) != 4 || trace.Target == nil || trace.Target.Text != "five" || len(trace.Logits.Top) != 5 {
			t.Errorf("paused %t: behind step %d the trace is %+v", paused, before, trace)
		}
	}
	initial := get[api.Trace](t, s, "/api/trace?text=two+plus+three+equals&step=0")
	if initial.Step != 0 || len(initial.Tokens) != 4 {
		t.Errorf("before training the trace is %+v", initial)
	}
}

func TestAnInterruptOfAPausedRunSavesAndEndsIt(t *testing.T) {
	run := newTraining(t, endless)
	_, s, ended := run.begin(t)
	step := control(t, s, api.Pause).Step
	run.interrupt()
	if err := <-ended; !errors.Is(err, fault.ErrInterrupted) {
		t.Fatalf("the run ended with %v", err)
	}
	state, err := run.plan.Folder.State()
	if err != nil || state.Step != step {
		t.Errorf("step %d was saved (%v), want %d", state.Step, err, step)
	}
	if now := get[api.Run](t, s, "/api/run"); now.State != api.Interrupted || now.Step != step {
		t.Errorf("the page is told %s at step %d", now.State, now.Step)
	}
}

func TestPagesAreToldHowTheRunEnds(t *testing.T) {
	run := newTraining(t, 300)
	_, s, ended := run.begin(t)
	events := listen(t, s)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.Close()
	all := events.all(t)
	last := all[len(all)-1]
	if last.name != eventState || !strings.Contains(last.data, `"state":"ended","step":300,"open":"floor `) {
		t.Errorf("the last event is %s %s", last.name, last.data)
	}
	counts := make(map[string]int)
	for _, e := range all {
		counts[e.name]++
	}
	if counts[eventStep] == 0 || counts[eventCheckpoint] == 0 || counts[eventEvaluation] != 1 {
		t.Errorf("events are %v", counts)
	}
}

func TestWithoutAPageNothingIsLookedAt(t *testing.T) {
	run := newTraining(t, 20)
	live, _, ended := run.begin(t)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if e := live.look.latest(); e != nil {
		t.Errorf("an example was looked at: %+v", e)
	}
	if live.look.Due() {
		t.Error("an interlude is due")
	}
}

func TestMetricsOfALiveRunAreThoseOfItsFile(t *testing.T) {
	run := newTraining(t, 50)
	run.plan.EvaluateEvery = 10
	_, s, ended := run.begin(t)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := run.plan.Folder.Close(); err != nil {
		t.Fatal(err)
	}
	live := get[api.Metrics](t, s, "/api/metrics")
	f, err := OpenFolder(run.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file := f.Metrics(0)
	if len(live.Steps) != 50 || !slices.Equal(live.Steps, file.Steps) || len(live.Evaluations) != 5 || len(file.Evaluations) != 5 {
		t.Fatalf("live are %d steps and %d evaluations, in the file %d and %d", len(live.Steps), len(live.Evaluations), len(file.Steps),
			len(file.Evaluations))
	}
	near := func(a, b api.Number) bool { return math.Abs(float64(a-b)) <= 1e-5*math.Abs(float64(b)) } // the file has six digits
	for i := range live.Steps {
		if !near(live.Loss[i], file.Loss[i]) || !near(live.GradientNorm[i], file.GradientNorm[i]) || !near(live.Blame.Shares[i][2], file.Blame.Shares[i][2]) ||
			!near(live.LearningRate[i], file.LearningRate[i]) || !near(live.Accuracy[i], file.Accuracy[i]) || !near(live.Epoch[i], file.Epoch[i]) {
			t.Errorf("step %d: the loss is %g live and %g in the file, or another number differs", live.Steps[i], live.Loss[i], file.Loss[i])
		}
	}
	for i, e := range live.Evaluations {
		if !near(e.Loss, file.Evaluations[i].Loss) || !near(e.ByOperation["plus"], file.Evaluations[i].ByOperation["plus"]) {
			t.Errorf("evaluation %d is %+v live and %+v in the file", i, e, file.Evaluations[i])
		}
	}
}

func TestAStepIsTakenDownWithoutAllocation(t *testing.T) {
	l := &Live{history: newHistory([]string{"embeddings"})}
	m := &train.Metrics{Blame: []float64{1}}
	const steps = 1000 // between two times that they are fetched
	for range 4 {      // until there is room
		for range 2 * steps {
			l.Stepped(m)
		}
		l.notes.take()
	}
	if n := testing.AllocsPerRun(steps, func() { m.Step++; l.Stepped(m) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
