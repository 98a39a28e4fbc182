package train

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// With a batch of that one example, the step that a rehearsal tells about is the one that the run takes.
func TestARehearsalIsTheStepThatWouldCome(t *testing.T) {
	o := quick()
	o.Batch, o.Loss = 1, "answer"
	list := mixed(50)[:1]
	trainer := newTrainer(t, list, o)
	folder, err := OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	steps(t, trainer, 3)
	if err := folder.Save(trainer, nil); err != nil {
		t.Fatal(err)
	}
	question, prompt, target := trainer.Prompt(0)
	got, err := Rehearse(folder.Dir, question, prompt, target)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Rehearse(folder.Dir, question, prompt, target)
	if err != nil || again.Weight.After != got.Weight.After {
		t.Errorf("a second rehearsal: %+v, %v; want the first, %+v", again, err, got)
	}
	if got.Step != 4 || got.Question != question || got.Target != trainer.Tokenizer.Token(target) {
		t.Errorf("step %d of %q with target %q", got.Step, got.Question, got.Target)
	}
	trainer.Train.(*Dataset).sequences = alone(question, prompt, target).sequences // what follows the first word is not asked
	want, err := trainer.FollowStep(0)
	if err != nil {
		t.Fatal(err)
	}
	if got.Before != want.Before || got.After != want.After || got.Weight.After != want.Weight.After || got.Weight.Mean != want.Weight.Mean ||
		!slices.Equal(got.Blame, want.Blame) {
		t.Errorf("rehearsed\n%+v, taken\n%+v", got, want)
	}
	if w := got.Weight; math.Abs(w.Before-w.LearningRate*w.Direction-w.After) > 1e-6 || w.After == w.Before {
		t.Errorf("the weight went from %g to %g by %g times %g", w.Before, w.After, w.LearningRate, w.Direction)
	}
}

func TestARehearsalNeedsAState(t *testing.T) {
	if _, err := Rehearse(t.TempDir(), "two plus", []int32{1, 2}, 3); err == nil || !strings.Contains(err.Error(), StateFile) {
		t.Errorf("error %v, want one that names %s", err, StateFile)
	}
}
