package train

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/model"
)

func TestTrainerLearnsASmallSetByHeart(t *testing.T) {
	gpt2 := small(calculatorWords(t).VocabSize())
	llama := gpt2
	llama.Architecture, llama.KVHeads, llama.MLPWidth, llama.Positions = model.Llama, 1, model.GatedMLPWidth(llama.Width), model.Rotary
	for _, c := range []model.Config{gpt2, llama} {
		t.Run(string(c.Architecture), func(t *testing.T) { learnsByHeart(t, c) })
	}
}

func learnsByHeart(t *testing.T, c model.Config) {
	o := quick()
	o.Steps, o.Batch, o.LearningRate, o.WeightDecay, o.Threads = 300, 100, 1e-2, 0, 2
	trainer := newTrainerOf(t, c, sums(t, 9), nil, o)
	before, err := trainer.Evaluate(trainer.Train)
	if err != nil {
		t.Fatal(err)
	}
	list := steps(t, trainer, o.Steps)
	after, err := trainer.Evaluate(trainer.Train)
	if err != nil {
		t.Fatal(err)
	}
	if before.Right > 20 || after.Right != 100 {
		t.Errorf("%d of 100 right before training and %d after, want hardly any and all", before.Right, after.Right)
	}
	if first, last := list[0].Loss, list[len(list)-1].Loss; !(last < first/20) {
		t.Errorf("the loss went from %g to %g, want less than a twentieth", first, last)
	}
}

func TestTheSameSeedAndThreadsGiveTheSameBits(t *testing.T) {
	for _, threads := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("threads %d", threads), func(t *testing.T) {
			o := quick()
			o.Threads, o.Accumulate = threads, 2
			a, b := newTrainer(t, mixed(50), o), newTrainer(t, mixed(50), o)
			if x, y := steps(t, a, 8), steps(t, b, 8); !reflect.DeepEqual(x, y) {
				t.Errorf("metrics differ:\n%+v\n%+v", x, y)
			}
			sameBits(t, "weights", a.Model.Weights, b.Model.Weights)

			o.Seed++
			other := newTrainer(t, mixed(50), o)
			steps(t, other, 8)
			if d := distance(other.Model.Weights, a.Model.Weights); d < 0.01 {
				t.Errorf("another seed gives weights that differ by %g only", d)
			}
		})
	}
}

func TestThreadsChangeTheResultByRoundingOnly(t *testing.T) {
	run := func(threads int) ([]Metrics, []float32) {
		o := quick()
		o.Threads, o.Optimizer, o.LearningRate, o.FinalLearningRate = threads, "sgd", 0.5, 0.1
		trainer := newTrainer(t, mixed(50), o)
		return steps(t, trainer, 5), trainer.Model.Weights
	}
	metrics, weights := run(1)
	for _, threads := range []int{2, 3} {
		m, w := run(threads)
		if d := distance(w, weights); d > 1e-5 {
			t.Errorf("%d threads change the weights by %g", threads, d)
		}
		for i := range m {
			if m[i].Accuracy != metrics[i].Accuracy || m[i].Tokens != metrics[i].Tokens || !near(m[i].Loss, metrics[i].Loss, 1e-5) {
				t.Errorf("%d threads say %+v, one says %+v", threads, m[i], metrics[i])
			}
		}
	}
}

func TestAccumulatedBatchesEqualOneLargeBatch(t *testing.T) {
	for _, threads := range []int{1, 2} {
		run := func(batch, accumulate int) ([]Metrics, []float32) {
			o := quick()
			o.Batch, o.Accumulate, o.Threads = batch, accumulate, threads
			o.Optimizer, o.LearningRate, o.FinalLearningRate = "sgd", 0.5, 0.1
			trainer := newTrainer(t, mixed(50), o)
			return steps(t, trainer, 4), trainer.Model.Weights
		}
		large, want := run(32, 1)
		parts, got := run(8, 4)
		if d := distance(got, want); d > 1e-5 {
			t.Errorf("%d threads: the weights differ by %g", threads, d)
		}
		for i := range large {
			if !near(parts[i].Loss, large[i].Loss, 1e-5) || parts[i].Accuracy != large[i].Accuracy || parts[i].Epoch != large[i].Epoch {
				t.Errorf("%d threads: 8 examples four times say %+v, 32 say %+v", threads, parts[i], large[i])
			}
		}
	}
}

func TestABatchOfFewerExamplesThanThreadsTrains(t *testing.T) {
	run := func(threads int) []float32 {
		o := quick()
		o.Batch, o.Threads, o.Accumulate, o.Optimizer = 1, threads, 2, "sgd"
		trainer := newTrainer(t, mixed(10), o)
		steps(t, trainer, 3)
		return trainer.Model.Weights
	}
	alone := run(1)
	for _, threads := range []int{2, 3} {
		// All work falls to the first thread, so even the bits agree.
		sameBits(t, fmt.Sprintf("weights with %d threads", threads), run(threads), alone)
	}
}

// A large model divides instructions among threads instead of the batch.
func TestALargeModelTrainsAlikeWithAnyNumberOfThreads(t *testing.T) {
	if testing.Short() {
		t.Skip("four million weights take a second")
	}
	run := func(threads int) (*Trainer, []Metrics) {
		o := quick()
		o.Batch, o.Threads, o.Optimizer = 4, threads, "sgd"
		c := small(35)
		c.Width, c.MLPWidth, c.Layers = 512, 2048, 2
		trainer := newTrainerOf(t, c, mixed(20), nil, o)
		return trainer, steps(t, trainer, 2)
	}
	one, want := run(1)
	two, got := run(2)
	if n := len(two.engine.workers); n != 1 {
		t.Fatalf("%d workers for %d weights, want one: a gradient each would take too much memory", n, len(two.Model.Weights))
	}
	if d := distance(two.Model.Weights, one.Model.Weights); d > 1e-5 || !near(got[1].Loss, want[1].Loss, 1e-5) {
		t.Errorf("two threads differ from one by %g, with the loss %g instead of %g", d, got[1].Loss, want[1].Loss)
	}
}

func TestEpochCountsTheExamplesDealt(t *testing.T) {
	o := quick()
	o.Batch, o.Repeats = 10, nil
	trainer := newTrainer(t, mixed(40), o)
	var got []float64
	for _, m := range steps(t, trainer, 5) {
		got = append(got, m.Epoch)
	}
	if want := []float64{0.25, 0.5, 0.75, 1, 1.25}; !slices.Equal(got, want) {
		t.Errorf("epochs are %v, want %v", got, want)
	}
}

func TestStepsFollowTheSchedule(t *testing.T) {
	trainer := newTrainer(t, mixed(10), quick())
	for i, m := range steps(t, trainer, 12) {
		if m.Step != i+1 || m.LearningRate != trainer.schedule.At(i) {
			t.Errorf("step %d has the learning rate %g, want %g", m.Step, m.LearningRate, trainer.schedule.At(i))
		}
	}
}

func TestNewRefusesAModelTooLargeToTrainHere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells how much memory there is")
	}
	c := small(35)
	c.Width, c.Layers = 1<<16, 96
	data := dataset(t, calculatorWords(t), sums(t, 2), c.Context)
	_, err := New(&model.Model{Config: c}, calculatorWords(t), data, data, quick())
	if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), "training a model of 16") {
		t.Errorf("error %v, want one of class usage that names the size", err)
	}
}

func TestNewRefusesImpossibleOptionsAndNoData(t *testing.T) {
	trainer := newTrainer(t, mixed(4), quick())
	bad := quick()
	bad.Batch = 0
	if _, err := New(trainer.Model, trainer.Tokenizer, trainer.Train, trainer.HeldOut, bad); fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("batch 0 is %v, want a usage error", err)
	}
	if _, err := New(trainer.Model, trainer.Tokenizer, trainer.HeldOut, trainer.HeldOut, quick()); fault.ExitCode(err) != fault.ExitData {
		t.Errorf("no examples are %v, want a data error", err)
	}
}

// near says that a and b agree to a relative tolerance.
func near(a, b, tolerance float64) bool {
	return max(a-b, b-a) <= tolerance*max(a, -a, b, -b)
}
