package train

import (
	"fmt"
	"slices"
	"testing"

	"trainer/model"
)

// The same activations fall however a step is divided, so that only sums are rounded otherwise.
func TestDropoutIsTheSameForAnyThreadsAndMicroBatches(t *testing.T) {
	run := func(data Data, threads, batch, accumulate int) ([]Metrics, []float32) {
		o := quick()
		o.Dropout, o.Optimizer, o.LearningRate, o.FinalLearningRate = 0.2, "sgd", 0.5, 0.1
		o.Threads, o.Batch, o.Accumulate = threads, batch, accumulate
		trainer := newTrainer(t, mixed(50), o)
		if data != nil {
			trainer.Train, trainer.sampler = data, newSampler(data, &o)
		}
		return steps(t, trainer, 5), trainer.Model.Weights
	}
	ids := make([]int32, 500)
	for i := range ids {
		ids[i] = int32(i * i % 30)
	}
	for name, data := range map[string]Data{"examples": nil, "text": NewText(InMemory(ids, 0), 12, 0)} {
		metrics, weights := run(data, 1, 12, 1)
		for _, c := range [][3]int{{2, 12, 1}, {3, 12, 1}, {1, 4, 3}, {2, 6, 2}, {3, 5, 2}} {
			what := fmt.Sprintf("%s: %d threads, %d batches of %d", name, c[0], c[2], c[1])
			m, w := run(data, c[0], c[1], c[2])
			if c[1]*c[2] != 12 {
				if d := distance(w, weights); d < 1e-3 {
					t.Errorf("%s: other batches change the weights by %g only", what, d)
				}
				continue
			}
			if d := distance(w, weights); d > 1e-5 {
				t.Errorf("%s: the weights change by %g", what, d)
			}
			for i := range m {
				if m[i].Accuracy != metrics[i].Accuracy || !near(m[i].Loss, metrics[i].Loss, 1e-5) {
					t.Errorf("%s: step %d is %+v, want %+v", what, i+1, m[i], metrics[i])
				}
			}
		}
	}
}

// The same example at a learning rate that moves nothing: what differs are the activations that fell.
func TestEveryStepAndSeedDropsOtherActivations(t *testing.T) {
	losses := func(rate float64) map[float64]bool {
		different := make(map[float64]bool)
		for _, seed := range []uint64{1, 2} {
			o := quick()
			o.Optimizer, o.LearningRate, o.FinalLearningRate = "sgd", 1e-30, 0
			o.Dropout, o.Batch = rate, 1
			trainer := newTrainer(t, sums(t, 0), o)
			trainer.Options.Seed = seed // that of the weights stays
			for _, m := range steps(t, trainer, 4) {
				different[m.Loss] = true
			}
		}
		return different
	}
	if with, without := losses(0.2), losses(0); len(with) != 8 || len(without) != 1 {
		t.Errorf("four steps with two seeds have %d different losses, and %d without dropout; want 8 and 1", len(with), len(without))
	}
}

func TestNothingFallsInWhatIsShown(t *testing.T) {
	o := quick()
	without := newTrainer(t, mixed(30), o)
	o.Dropout = 0.4
	with := newTrainer(t, mixed(30), o)
	if with.Model.Config.Dropout != 0.4 {
		t.Errorf("the model's configuration says dropout %g, want 0.4", with.Model.Config.Dropout)
	}
	var evaluations [2]*Evaluation
	var followed [2]*Followed
	var answers [2][]float32
	for i, trainer := range []*Trainer{with, without} {
		var err error
		if evaluations[i], err = trainer.Evaluate(trainer.Train); err != nil {
			t.Fatal(err)
		}
		var b model.Batch
		b.AddPrompt([]int32{1, 2, 3})
		r, err := trainer.engine.workers[0].executor.Run(&b, model.Predict, 0)
		if err != nil {
			t.Fatal(err)
		}
		answers[i] = slices.Clone(r.Logits)
		if followed[i], err = trainer.FollowStep(4); err != nil {
			t.Fatal(err)
		}
	}
	if evaluations[0].Loss != evaluations[1].Loss {
		t.Errorf("with dropout the evaluation says %g, without %g", evaluations[0].Loss, evaluations[1].Loss)
	}
	sameBits(t, "logits", answers[0], answers[1])
	a, b := followed[0], followed[1]
	if a.Before != b.Before || a.Loss != b.Loss || !slices.Equal(a.Blame, b.Blame) {
		t.Errorf("a followed example has p %g, loss %g and blame %v, without dropout %g, %g and %v", a.Before, a.Loss, a.Blame, b.Before, b.Loss, b.Blame)
	}
	if a.Metrics.Loss == b.Metrics.Loss || a.After == b.After {
		t.Errorf("the step itself is the same with dropout and without: loss %g, p behind it %g", a.Metrics.Loss, a.After)
	}
}
