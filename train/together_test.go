package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"trainer/internal/collective"
	"trainer/internal/fault"
	"trainer/model"
)

// together runs a function on as many ranks, each in a goroutine, as processes would.
func together(t testing.TB, ranks int, run func(t testing.TB, group collective.Communicator)) {
	t.Helper()
	var all sync.WaitGroup
	for _, group := range collective.Local(ranks) {
		all.Go(func() {
			ended := false
			defer func() {
				if !ended { // by t.Fatal, which ends a goroutine: the others must not wait for it
					group.Abort(1)
				}
			}()
			run(t, group)
			ended = true
		})
	}
	all.Wait()
}

// wide is a model of several buckets.
func wide(t testing.TB) model.Config {
	c := small(calculatorWords(t).VocabSize())
	c.Width, c.Layers, c.Heads, c.MLPWidth = 96, 2, 3, 384
	return c
}

// learned is what training of several processes came to.
type learned struct {
	metrics []Metrics
	weights []float32
}

// learn trains a wide model on as many ranks, and holds that they agree.
func learn(t *testing.T, ranks int, o Options) learned {
	t.Helper()
	list := make([]learned, ranks)
	together(t, ranks, func(t testing.TB, group collective.Communicator) {
		o := o
		o.Group = group
		trainer := newTrainerOf(t, wide(t), mixed(40), nil, o)
		l := learned{steps(t, trainer, o.Steps), trainer.Model.Weights}
		list[group.Rank()] = l
	})
	for r := range list {
		sameBits(t, fmt.Sprintf("weights of rank %d", r), list[r].weights, list[0].weights)
	}
	return list[0]
}

// sameMetrics fails where two runs tell something else of a step.
func sameMetrics(t *testing.T, got, want []Metrics) {
	t.Helper()
	for i := range want {
		if fmt.Sprint(got[i]) != fmt.Sprint(want[i]) {
			t.Fatalf("step %d: %+v, want %+v", i+1, got[i], want[i])
		}
	}
}

func TestProcessesOfOneThreadComeToTheBitsOfOneProcessWithAsManyThreads(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"adamw":                              func(*Options) {},
		"sgd":                                func(o *Options) { o.Optimizer, o.LearningRate = "sgd", 0.1 },
		"muon":                               func(o *Options) { o.Optimizer = "muon" },
		"dropout":                            func(o *Options) { o.Dropout, o.Accumulate = 0.2, 2 },
		"accumulated":                        func(o *Options) { o.Accumulate = 3 },
		"accumulated, with a rank left over": func(o *Options) { o.Batch, o.Accumulate = 5, 2 },
		"every token, recomputed":            func(o *Options) { o.Loss, o.Recompute = "all", true },
		"clipped hard":                       func(o *Options) { o.Clip = 0.01 },
	} {
		t.Run(name, func(t *testing.T) {
			for _, ranks := range []int{2, 3, 5} {
				o := quick()
				o.Steps = 6
				change(&o)
				got := learn(t, ranks, o)
				o.Threads = ranks
				want := learn(t, 1, o)
				sameMetrics(t, got.metrics, want.metrics)
				sameBits(t, fmt.Sprintf("weights of %d ranks", ranks), got.weights, want.weights)
			}
		})
	}
}

func TestProcessesOfSeveralThreadsLearnAsOneDoesAndTwiceTheSame(t *testing.T) {
	o := quick()
	o.Steps, o.Batch, o.LearningRate, o.WarmUp = 200, 12, 1e-3, 20
	if testing.Short() {
		o.Steps = 50
	}
	want := learn(t, 1, o)
	o.Threads = 2
	got, again := learn(t, 2, o), learn(t, 2, o)
	sameMetrics(t, got.metrics, again.metrics)
	sameBits(t, "weights of a second time", again.weights, got.weights)
	for i, m := range got.metrics {
		if w := want.metrics[i].Loss; math.Abs(m.Loss-w) > 1e-5*w {
			t.Fatalf("step %d: two processes have the loss %v, one has %v: expected 1e-5 of it at most between them", i+1, m.Loss, w)
		}
	}
}

// summing is a communicator that calls back when a sum is asked for.
type summing struct {
	collective.Communicator
	summed func()
}

func (c summing) ReduceScatter(values []float32, bounds []int) collective.Request {
	c.summed()
	return c.Communicator.ReduceScatter(values, bounds)
}

func TestSumsOfGradientsAreUnderWayWhileTheBackwardPassGoesOn(t *testing.T) {
	o := quick()
	o.Steps = 2
	together(t, 2, func(t testing.TB, group collective.Communicator) {
		var trainer *Trainer
		early, sums := 0, 0
		o := o
		o.Group = summing{group, func() {
			sums++
			if u := trainer.engine.updater.(*groupUpdater); u.left[0] > 0 { // its gradient is the last one
				early++
			}
		}}
		trainer = newTrainerOf(t, wide(t), mixed(40), nil, o)
		steps(t, trainer, o.Steps)
		buckets := len(trainer.partition.buckets)
		if sums != o.Steps*buckets || early != o.Steps*(buckets-1) || buckets < 3 {
			t.Errorf("of %d sums in %d steps %d were begun before the gradient was complete: expected all but the last of %d buckets",
				sums, o.Steps, early, buckets)
		}
	})
}

func TestEachWeightIsOwnedOnceAndMatricesOfMuonWhole(t *testing.T) {
	m, err := model.New(wide(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range []bool{false, true} {
		for ranks := 1; ranks <= 6; ranks++ {
			owners := make([]int, len(m.Weights))
			held := 0
			for rank := range ranks {
				p := newPartition(m, rank, ranks, whole)
				held += p.size
				for part, place := range p.own() {
					for at := part.Begin; at < part.End; at++ {
						owners[at] += 1 + 1000*rank
						if owner, found := p.find(at); owner != rank || found != place+at-part.Begin {
							t.Fatalf("element %d of rank %d, place %d: found at rank %d, place %d", at, rank, place+at-part.Begin, owner, found)
						}
					}
				}
				most := 1.2
				if whole && ranks > 1 { // the model has few matrices
					most = 1.8
				}
				if share := float64(p.size) * float64(ranks) / float64(len(m.Weights)); share < 2-most || share > most {
					t.Errorf("whole %v: rank %d of %d owns %.0f %% of an equal part", whole, rank, ranks, 100*share)
				}
			}
			if held != len(m.Weights) {
				t.Errorf("%d ranks own %d weights, of %d", ranks, held, len(m.Weights))
			}
			for i := range m.Parameters {
				p := &m.Parameters[i]
				for at := p.Begin; at < p.Begin+p.Size(); at++ {
					if owners[at]%1000 != 1 {
						t.Fatalf("element %d of %s is owned by %d of %d ranks", at-p.Begin, p.Name, owners[at]%1000, ranks)
					}
					if whole && isHidden(p, m.Stages) && owners[at] != owners[p.Begin] {
						t.Fatalf("%s is divided among %d ranks", p.Name, ranks)
					}
				}
			}
		}
	}
}

func TestEvaluationAndStoryOfSeveralProcessesAreThoseOfOne(t *testing.T) {
	o := quick()
	tell := func(ranks int) []string {
		stories := make([]string, ranks)
		together(t, ranks, func(t testing.TB, group collective.Communicator) {
			o := o
			o.Group = group
			trainer := newTrainerOf(t, wide(t), mixed(40), mixed(500), o)
			story := ""
			for range 3 {
				f, err := trainer.FollowStep(trainer.NextExample())
				if err != nil {
					t.Fatal(err)
				}
				f.Metrics = nil
				story += fmt.Sprintf("%+v\n", *f)
			}
			e, err := trainer.Evaluate(trainer.HeldOut)
			if err != nil {
				t.Fatal(err)
			}
			stories[group.Rank()] = fmt.Sprintf("%s%+v", story, *e)
		})
		return stories
	}
	stories := tell(3)
	o.Threads = 3
	for _, story := range append(stories, tell(1)...) {
		if story != stories[0] {
			t.Errorf("one process tells\n%s\nanother\n%s", stories[0], story)
		}
	}
}

// runTogether runs the plan of a folder on as many ranks, from the last checkpoint where there is one, and returns the error of each.
func runTogether(t *testing.T, f *Folder, ranks int, o Options, plan Plan, ctx func(rank int) context.Context, r *recorder) []error {
	t.Helper()
	s, err := f.State()
	if err != nil {
		t.Fatal(err)
	}
	step := 0
	if s != nil {
		step = s.Step
	}
	openMetrics(t, f, step)
	errs := make([]error, ranks)
	together(t, ranks, func(t testing.TB, group collective.Communicator) {
		o, plan := o, plan
		o.Group = group
		c := wide(t)
		trainer := newTrainerOf(t, c, mixed(40), mixed(9), o)
		var observer Observer = Observers{}
		var folder *Folder
		if group.Rank() == 0 {
			folder, observer = f, r
		}
		if s != nil {
			m, err := model.Load(f.Dir)
			if err != nil {
				t.Fatal(err)
			}
			copy(trainer.Model.Weights, m.Weights)
			if err := folder.Resume(trainer, s); err != nil {
				t.Fatal(err)
			}
		}
		plan.Folder = folder
		errs[group.Rank()] = trainer.Run(ctx(group.Rank()), plan, observer)
	})
	return errs
}

func TestARunGoesOnWithAnotherNumberOfProcesses(t *testing.T) {
	for _, optimizer := range OptimizerNames {
		o := quick()
		o.Optimizer, o.Batch = optimizer, 6
		background := func(int) context.Context { return t.Context() }
		// The threads of one process sum in the order of as many processes with one thread.
		f := openFolder(t, t.TempDir())
		for _, stage := range []struct{ ranks, threads, until int }{{3, 1, 4}, {1, 3, 8}, {3, 1, 0}} {
			o.Threads = stage.threads
			plan := Plan{EvaluateEvery: 3, SaveEvery: 3, StopAfter: stage.until, Keep: Keep{Best: ByLoss}}
			for rank, err := range runTogether(t, f, stage.ranks, o, plan, background, &recorder{}) {
				if stage.until > 0 != errors.Is(err, fault.ErrInterrupted) || stage.until == 0 && err != nil {
					t.Fatalf("%s, rank %d of %d: %v", optimizer, rank, stage.ranks, err)
				}
			}
		}
		whole := openFolder(t, t.TempDir())
		o.Threads = 1
		plan := Plan{EvaluateEvery: 3, SaveEvery: 3, Keep: Keep{Best: ByLoss}}
		if err := errors.Join(runTogether(t, whole, 3, o, plan, background, &recorder{})...); err != nil {
			t.Fatal(err)
		}
		got, want := contents(t, f.Dir), contents(t, whole.Dir)
		for _, name := range []string{model.WeightsFile, StateFile} {
			if got[name] != want[name] {
				t.Errorf("%s: %s of the run that changed its number of processes differs from that of the one that did not", optimizer, name)
			}
		}
	}
}

func TestASignalOnOneRankEndsAllBehindTheSameStep(t *testing.T) {
	f := openFolder(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{after: func(step int) {
		if step == 4 {
			cancel()
		}
	}}
	errs := runTogether(t, f, 3, quick(), Plan{}, func(rank int) context.Context {
		if rank == 1 {
			return ctx
		}
		return t.Context()
	}, r)
	for rank, err := range errs {
		if !errors.Is(err, fault.ErrInterrupted) {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
	s, err := f.State()
	if err != nil || s.Step < 4 || s.Step > 6 || !slices.Contains(r.events, fmt.Sprintf("save %d", s.Step)) {
		t.Errorf("the run is saved at step %+v, %v; the observer was told %q", s, err, r.events)
	}
}

func TestAnInterludeOfRankZeroComesBetweenStepsOfAll(t *testing.T) {
	o := quick()
	o.Steps = 5
	f := openFolder(t, t.TempDir())
	openMetrics(t, f, 0)
	followed := make([]int, 3)
	var v *visitor
	together(t, 3, func(t testing.TB, group collective.Communicator) {
		o := o
		o.Group = group
		trainer := newTrainerOf(t, wide(t), mixed(40), nil, o)
		plan := Plan{}
		r := &recorder{}
		if group.Rank() == 0 {
			v = &visitor{trainer: trainer, between: func(context.Context) bool { return trainer.StepsTaken() == 2 }}
			plan.Folder, plan.Interlude = f, v
		}
		trainer.engine.updater = stories{trainer.engine.updater, &followed[group.Rank()]}
		if err := trainer.Run(t.Context(), plan, r); err != nil {
			t.Error(err)
		}
	})
	want := []string{"between, behind 1", "between, behind 2", "between, behind 3", "between, behind 4"}
	got := slices.DeleteFunc(slices.Clone(v.events), func(e string) bool { return !strings.HasPrefix(e, "between") })
	if !slices.Equal(got, want) {
		t.Errorf("the interlude came %q, want %q", got, want)
	}
	for rank, n := range followed {
		if n != 3 { // the first, the last, and the one that was asked for
			t.Errorf("rank %d has followed %d steps, want 3", rank, n)
		}
	}
}

// stories is an updater that counts gradients of which the weights do not move, those of examples that are followed.
type stories struct {
	updater
	count *int
}

func (s stories) update(j *job) error {
	if !j.move {
		*s.count++
	}
	return s.updater.update(j)
}

func TestANumberThatIsNotFiniteOnOneRankIsToldByAll(t *testing.T) {
	o := quick()
	o.LearningRate, o.WarmUp, o.Schedule = 1e30, 0, "constant"
	texts := make([]string, 3)
	together(t, 3, func(t testing.TB, group collective.Communicator) {
		o := o
		o.Group = group
		trainer := newTrainerOf(t, wide(t), mixed(40), nil, o)
		for range o.Steps {
			if _, err := trainer.Step(); err != nil {
				var broken *NonFiniteError
				if !errors.As(err, &broken) {
					t.Error(err)
				}
				texts[group.Rank()] = err.Error()
				return
			}
		}
	})
	if texts[0] == "" || texts[1] != texts[0] || texts[2] != texts[0] {
		t.Errorf("the ranks say %q", texts)
	}
}

func TestMoreProcessesThanSequencesAreRefused(t *testing.T) {
	o := quick()
	o.Group = collective.Local(o.Batch + 1)[0]
	if err := o.Validate(); fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("Validate returns %v, want a usage error", err)
	}
}
