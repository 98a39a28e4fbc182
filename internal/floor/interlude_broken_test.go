package floor

import (
	"math"
	"testing"
)

// It is the step that says where numbers broke down: a look at them beforehand ends nothing.
func TestABrokenModelIsNotLookedAt(t *testing.T) {
	run := newTraining(t, 4)
	i := newInterlude(run.Trainer)
	if err := i.prepare(); err != nil || i.pending == nil {
		t.Fatalf("an example of a whole model: %v, %v", i.pending, err)
	}
	i.show()
	shown := i.latest()
	for j := range run.Model.Weights {
		run.Model.Weights[j] = float32(math.NaN())
	}
	if err := i.prepare(); err != nil || i.pending != nil {
		t.Errorf("an example of a broken model: %v, %v; want none", i.pending, err)
	}
	i.show()
	if i.latest() != shown {
		t.Error("the last example is gone")
	}
}
