package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"trainer/internal/collective"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/safetensors"
	"trainer/internal/vm"
	"trainer/model"
)

// The GPUs of these tests are emulated, each in a goroutine, and summed in Go: NCCL on real ones wants a process for each.

// learnOnGPUs trains a model on as many ranks, and holds that they agree.
func learnOnGPUs(t *testing.T, c model.Config, ranks int, o Options) learned {
	t.Helper()
	o.Device = device.Emulated
	list := make([]learned, ranks)
	together(t, ranks, func(t testing.TB, group collective.Communicator) {
		o := o
		o.Group = group
		trainer := newTrainerOf(t, c, mixed(40), nil, o)
		l := learned{metrics: steps(t, trainer, o.Steps)}
		if err := trainer.engine.updater.fetch(); err != nil {
			t.Fatal(err)
		}
		l.weights = trainer.Model.Weights
		list[group.Rank()] = l
	})
	for r := range list {
		sameBits(t, fmt.Sprintf("weights of rank %d", r), list[r].weights, list[0].weights)
		sameMetrics(t, list[r].metrics, list[0].metrics)
	}
	return list[0]
}

func TestSeveralGPUsLearnAsOneDoesAndTwiceTheSame(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"adamw":                              func(*Options) {},
		"sgd":                                func(o *Options) { o.Optimizer, o.LearningRate = "sgd", 0.1 },
		"accumulated, dropout":               func(o *Options) { o.Dropout, o.Accumulate, o.Batch = 0.2, 2, 4 },
		"accumulated, with a rank left over": func(o *Options) { o.Batch, o.Accumulate = 2, 2 },
		"bf16, every token, recomputed":      func(o *Options) { o.Precision, o.Loss, o.Recompute = "bf16", "all", true },
	} {
		t.Run(name, func(t *testing.T) {
			o, c, ranks := onGPU(t), small(calculatorWords(t).VocabSize()), 2
			o.Steps, o.Batch = 3, 6
			change(&o)
			switch name {
			case "adamw": // with several buckets
				c = wide(t)
			case "sgd":
				ranks = 3
			}
			want := learnOnGPUs(t, c, 1, o)
			got, again := learnOnGPUs(t, c, ranks, o), learnOnGPUs(t, c, ranks, o)
			sameBits(t, "weights of a second time", again.weights, got.weights)
			for i, w := range want.metrics {
				g := got.metrics[i]
				if !near(g.Loss, w.Loss, 1e-5) || !near(g.GradientNorm, w.GradientNorm, 1e-4) || g.Accuracy != w.Accuracy || g.Tokens != w.Tokens {
					t.Errorf("step %d of %d GPUs is %+v, of one %+v", i+1, ranks, g, w)
				}
				for s := range w.Blame {
					if math.Abs(g.Blame[s]-w.Blame[s]) > 1e-4 {
						t.Errorf("step %d: stage %d has %g of the blame, want %g", i+1, s, g.Blame[s], w.Blame[s])
					}
				}
			}
			within := weightError
			if o.Precision == "bf16" {
				within = 1e-3 // a gradient that is rounded otherwise moves a weight by as much as its rate
			}
			if d := distance(got.weights, want.weights); d > within {
				t.Errorf("the weights differ by %g", d)
			}
		})
	}
}

func TestARunOfSeveralGPUsGoesOnOnOneAndOnCPUs(t *testing.T) {
	o := onGPU(t)
	o.Steps, o.Batch, o.Device = 8, 4, device.Emulated
	background := func(int) context.Context { return t.Context() }
	plan := Plan{EvaluateEvery: 3, SaveEvery: 3, Keep: Keep{Best: ByLoss}}
	run := func(stages ...[2]int) *Folder { // ranks on GPUs, or minus those on CPUs, until a step
		f := openFolder(t, t.TempDir())
		for _, stage := range stages {
			o, plan := o, plan
			ranks := stage[0]
			if ranks < 0 {
				o.Device, ranks = device.CPU, -ranks
			}
			plan.StopAfter = stage[1]
			for rank, err := range runTogether(t, f, ranks, o, plan, background, &recorder{}) {
				if plan.StopAfter > 0 != errors.Is(err, fault.ErrInterrupted) || plan.StopAfter == 0 && err != nil {
					t.Fatalf("rank %d of %v: %v", rank, stage, err)
				}
			}
		}
		return f
	}
	want, got := run([2]int{1, 0}), run([2]int{2, 3}, [2]int{-2, 5}, [2]int{2, 7}, [2]int{1, 0})
	for _, name := range []string{model.WeightsFile, StateFile} {
		w, g := valuesOf(t, want.Path(name)), valuesOf(t, got.Path(name))
		// The gradient of the keys' bias is 0 but for rounding, which AdamW turns into steps.
		if d := distance(g, w); d > 10*weightError {
			t.Errorf("%s differs by %g from that of a run on one GPU", name, d)
		}
	}
}

// valuesOf are the float32 tensors of a file, one behind the other.
func valuesOf(t *testing.T, path string) (all []float32) {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, info := range f.Tensors() {
		values := make([]float32, product(info.Shape))
		if err := safetensors.Read(f, info.Name, values, info.Shape...); err != nil {
			t.Fatal(err)
		}
		all = append(all, values...)
	}
	return all
}

func TestASignalOnOneGPUsRankEndsAllBehindTheSameStep(t *testing.T) {
	o := onGPU(t)
	o.Steps, o.Batch, o.Device = 12, 2, device.Emulated
	f := openFolder(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{after: func(step int) {
		if step == 4 {
			cancel()
		}
	}}
	for rank, err := range runTogether(t, f, 2, o, Plan{}, func(rank int) context.Context {
		if rank == 1 {
			return ctx
		}
		return t.Context()
	}, r) {
		if !errors.Is(err, fault.ErrInterrupted) {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
	if s, err := f.State(); err != nil || s.Step < 4 || s.Step > 8 {
		t.Errorf("the run is saved at step %+v, %v", s, err)
	}
}

func TestANumberThatIsNotFiniteOnOneGPUMovesNoWeightOnAny(t *testing.T) {
	o := onGPU(t)
	o.LearningRate, o.WarmUp, o.Schedule, o.Device, o.Batch = 1e30, 0, "constant", device.Emulated, 4
	texts := make([]string, 2)
	together(t, 2, func(t testing.TB, group collective.Communicator) {
		o := o
		o.Group = group
		trainer := newTrainerOf(t, wide(t), mixed(40), nil, o)
		for range o.Steps {
			if _, err := trainer.Step(); err != nil {
				texts[group.Rank()] = err.Error()
				if !errors.As(err, new(*NonFiniteError)) {
					t.Error(err)
				}
				for _, w := range trainer.Model.Weights {
					if w != w {
						t.Error("a weight is NaN")
						return
					}
				}
				return
			}
		}
	})
	if texts[0] == "" || texts[1] != texts[0] {
		t.Errorf("the ranks say %q", texts)
	}
}

func TestAGPUTellsOfBucketsWhileTheBackwardPassGoesOn(t *testing.T) {
	o := onGPU(t)
	o.Device, o.Batch = device.Emulated, 2
	trainer := newTrainerOf(t, wide(t), mixed(40), nil, o)
	p := newEvenPartition(trainer.Model, 0, 2)
	executor := trainer.engine.workers[0].executor
	told := make([][]float32, len(p.buckets)) // each bucket when it is told
	early := 0                                // buckets that were told when nothing of the first one was computed
	executor.Watch(p.stretches(), func(i int, gradient vm.Memory) {
		all := make([]byte, 4*len(trainer.Model.Weights))
		if err := gradient.Read(all); err != nil {
			t.Error(err)
		}
		values := vm.Float32s(all)
		b := p.buckets[i]
		told[i] = values[b.Begin:b.End]
		if first := p.buckets[0]; slices.Max(values[first.Begin:first.End]) == 0 {
			early++
		}
	})
	trainer.sampler.draw(trainer.batch)
	outcome := measured(t, trainer, trainer.batch, 2, false)
	gradient, err := executor.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.buckets {
		b := &p.buckets[i]
		for j, v := range gradient[b.Begin:b.End] {
			if v != 0 && told[i][j] != v { // gaps hold anything
				t.Fatalf("element %d of bucket %d is %g when it is told, and %g at the end", j, i, told[i][j], v)
			}
		}
	}
	if n := len(p.buckets); n < 3 || early < n-2 || !outcome.finite() {
		t.Errorf("of %d buckets %d are told before the gradient of the first weights is there", n, early)
	}
}
