package train

import (
	"math"
	"testing"
)

func TestBlameSumsToOne(t *testing.T) {
	for _, threads := range []int{1, 3} {
		o := quick()
		o.Threads = threads
		for _, m := range steps(t, newTrainer(t, mixed(50), o), 5) {
			var sum float64
			for i, share := range m.Blame {
				if !(share > 0 && share < 1) {
					t.Errorf("step %d: stage %s has the share %g, want some of the blame", m.Step, m.Stages[i].Name, share)
				}
				sum += share
			}
			if math.Abs(sum-1) > 1e-12 {
				t.Errorf("step %d: the blame sums to %g", m.Step, sum)
			}
		}
	}
}

func TestAGradientInOneStageIsTheBlameOfThatStage(t *testing.T) {
	o := quick()
	o.Threads = 2
	trainer := newTrainer(t, mixed(50), o)
	steps(t, trainer, 1)
	u := trainer.engine.updater.(*hostUpdater)
	blame := make([]float64, len(trainer.Model.Stages))
	for stage, s := range trainer.Model.Stages {
		for _, g := range u.gradients {
			clear(g)
		}
		for _, p := range trainer.Model.Parameters {
			if p.Stage == stage {
				// One half in each worker: the blame is of their sum.
				u.gradients[0][p.Begin] = 1
				u.gradients[1][p.Begin+p.Size()-1] = 2
			}
		}
		if err := u.update(&job{}); err != nil {
			t.Fatal(err)
		}
		u.squares(blame)
		normalise(blame)
		for i, share := range blame {
			if want := map[bool]float64{true: 1}[i == stage]; share != want {
				t.Errorf("a gradient in %s alone gives %s the share %g, want %g", s.Name, trainer.Model.Stages[i].Name, share, want)
			}
		}
	}
}

func TestNoGradientIsNobodysBlame(t *testing.T) {
	trainer := newTrainer(t, mixed(50), quick())
	steps(t, trainer, 1)
	u := trainer.engine.updater.(*hostUpdater)
	clear(u.gradients[0])
	if err := u.update(&job{}); err != nil {
		t.Fatal(err)
	}
	blame := []float64{9, 9, 9, 9, 9}
	u.squares(blame)
	normalise(blame)
	for i, share := range blame {
		if share != 0 {
			t.Errorf("without a gradient stage %d has the share %g", i, share)
		}
	}
}
