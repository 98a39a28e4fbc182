package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

func TestPyTorchGetsTheExamplesAsARectangle(t *testing.T) {
	w := newTestWorkload(t)
	all := make([]int, w.data.Len())
	for i := range all {
		all[i] = i
	}
	got := w.rectangles([][]int{all})[0]
	if len(got.Inputs) != w.data.Len() || len(got.Targets) != w.data.Len() {
		t.Fatalf("%d inputs and %d targets, want %d", len(got.Inputs), len(got.Targets), w.data.Len())
	}
	for i := range got.Inputs {
		inputs, answers := w.data.Sequence(i)
		if len(got.Inputs[i]) != len(got.Inputs[0]) || len(got.Targets[i]) != len(got.Inputs[0]) {
			t.Fatalf("example %d: inputs %v, targets %v; want the length of the first, %d", i, got.Inputs[i], got.Targets[i], len(got.Inputs[0]))
		}
		if !slices.Equal(got.Inputs[i][:len(inputs)], inputs) {
			t.Fatalf("example %d: inputs %v, want %v and padding", i, got.Inputs[i], inputs)
		}
		for j, target := range got.Targets[i] {
			want := int32(ignored)
			if j < len(answers) && answers[j] >= 0 {
				want = answers[j]
			}
			if target != want {
				t.Fatalf("example %d: targets %v, want %d at %d", i, got.Targets[i], want, j)
			}
		}
	}
}

func TestADifferentLossEndsTheComparison(t *testing.T) {
	same := &turn{Losses: []float64{3.5, 3.4, 3.3, 3.2, 3.1}}
	d, err := deviation("batch 64", "eager", same, &turn{Losses: []float64{3.5, 3.4, 3.3, 3.2001, 3.1}}, 1e-3)
	if err != nil || !(d > 3e-5 && d < 4e-5) {
		t.Errorf("losses that differ by rounding: %g, %v, want 1e-4 of 3.2", d, err)
	}
	_, err = deviation("batch 64", "eager", same, &turn{Losses: []float64{3.5, 3.4, 3.31, 3.2, 3.1}}, 1e-3)
	if err == nil || !strings.Contains(err.Error(), "batch 64, step 3") {
		t.Errorf("losses that differ: error %v, want one that names batch and step", err)
	}
}

func TestWithoutPyTorchItSaysHowToGetIt(t *testing.T) {
	t.Setenv("TRAINER_PYTHON", filepath.Join(t.TempDir(), "python3"))
	_, err := startPeer(t.Context(), model.Calculator(35), train.Calculator(), "none", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "pip install torch") {
		t.Errorf("error %v, want one that says how to install PyTorch", err)
	}
}

func TestTheMedianOfAnEvenListIsBetweenTheMiddleTwo(t *testing.T) {
	if got := median([]float64{9, 1, 4, 2}); got != 3 {
		t.Errorf("median of 9, 1, 4, 2 = %g, want 3", got)
	}
	if got := median([]float64{9, 1, 4}); got != 4 {
		t.Errorf("median of 9, 1, 4 = %g, want 4", got)
	}
}

func TestEveryModelOnRandomTokensIsOneThatCanBeTrained(t *testing.T) {
	for name, g := range gpts {
		for _, length := range g.lengths {
			for _, precision := range g.precisions {
				c, o := g.settings(length, precision, 2)
				if err := errors.Join(c.Validate(), o.Validate()); err != nil {
					t.Errorf("%s %s %d: %v", name, precision, length, err)
				}
				if g.targets[fmt.Sprintf("%s %d", precision, length)] == 0 {
					t.Errorf("%s %s %d has no target", name, precision, length)
				}
			}
		}
	}
}

// A side that is asked for steps tells a time, a loss and the places of the sequences for each; PyTorch needs them to do the same.
func TestTheTrainersSideAnswersForEveryStep(t *testing.T) {
	g := gpts["char"]
	c, o := g.settings(8, "f32", 1)
	m, err := model.New(c, o.Seed)
	if err != nil {
		t.Fatal(err)
	}
	tokens := randomTokens(c.VocabSize)
	trainer, err := train.New(m, tokenizer.NewBytes(), train.NewText(train.InMemory(tokens, 0), c.Context, 0),
		train.NewText(train.InMemory(nil, 0), c.Context, 0), o)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	got, err := ours{trainer}.steps(2)
	if err != nil || len(got.Milliseconds) != 2 || len(got.CPU) != 2 || len(got.Losses) != 2 || len(got.Places) != 2 {
		t.Fatalf("a turn of 2 steps: %+v, %v", got, err)
	}
	for _, b := range windows(tokens, got.Places, c.Context) {
		if len(b.Inputs) != g.batch || len(b.Inputs[0]) != c.Context || !slices.Equal(b.Inputs[0][1:], b.Targets[0][:c.Context-1]) {
			t.Errorf("a batch of %d windows, the first %v with the targets %v", len(b.Inputs), b.Inputs[0], b.Targets[0])
		}
	}
}

func newTestWorkload(t *testing.T) *workload {
	t.Helper()
	w, err := newWorkload()
	if err != nil {
		t.Fatal(err)
	}
	return w
}
