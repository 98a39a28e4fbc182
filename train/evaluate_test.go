package train

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"trainer/model"
	"trainer/train/examples"
)

// halfTrained returns a trainer whose model gets some answers right and some wrong.
func halfTrained(t *testing.T, threads int) *Trainer {
	t.Helper()
	o := quick()
	o.Steps, o.Batch, o.LearningRate, o.Threads, o.Repeats = 100, 64, 1e-2, threads, nil
	trainer := newTrainer(t, sums(t, 12), o)
	steps(t, trainer, 60)
	return trainer
}

func evaluation(t *testing.T, trainer *Trainer) *Evaluation {
	t.Helper()
	e, err := trainer.Evaluate(trainer.Train)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A run whose batches fit the memory must not end in an evaluation that does not.
func TestLongExamplesAreEvaluatedInSmallerBatches(t *testing.T) {
	d := &Dataset{}
	for _, n := range []int{1000, 1000, 1000, 1000, 1000, 9000, 9000, 10} {
		d.sequences = append(d.sequences, sequence{inputs: make([]int32, n)})
	}
	for range 200 {
		d.sequences = append(d.sequences, sequence{inputs: make([]int32, 10)})
	}
	d.Examples = make([]examples.Example, len(d.sequences))
	var ends []int
	for end := 0; end < d.Len(); {
		end = evaluationEnd(d, end)
		ends = append(ends, end)
	}
	// Four of 1000 tokens, the fifth, the long ones alone, 128 short ones and the rest.
	if want := []int{4, 5, 6, 7, 135, 208}; !reflect.DeepEqual(ends, want) {
		t.Errorf("batches end at %v, want %v", ends, want)
	}
}

func TestEvaluationEqualsGreedyGeneration(t *testing.T) {
	trainer := halfTrained(t, 1)
	e := evaluation(t, trainer)
	if e.Right < 10 || e.Right > e.Total-10 {
		t.Fatalf("%d of %d right: the test needs some of both", e.Right, e.Total)
	}
	wrong := make(map[int]bool)
	for _, i := range e.Wrong {
		wrong[i] = true
	}
	generator := trainer.Generator()
	var prompts [][]int32
	for _, s := range dataOf(trainer).sequences {
		prompts = append(prompts, s.inputs[:len(s.inputs)-s.wanted+1])
	}
	answers, err := generator.Generate(prompts, model.Sampling{TopP: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range dataOf(trainer).sequences {
		var generated []int32
		for _, c := range answers[i] {
			generated = append(generated, c.Token)
		}
		if right := reflect.DeepEqual(generated, s.targets[len(s.targets)-s.wanted:]); right == wrong[i] {
			t.Errorf("%s: the evaluation says right: %t, but generated was %q",
				dataOf(trainer).Examples[i].Text(), !wrong[i], trainer.Tokenizer.Decode(generated))
		}
	}
}

func TestAnAnswerThatDoesNotEndIsWrong(t *testing.T) {
	o := quick()
	o.Steps, o.Batch, o.LearningRate, o.WeightDecay, o.Accumulate = 300, 100, 1e-2, 0, 1
	trainer := newTrainer(t, sums(t, 9), o)
	steps(t, trainer, 200)
	if e := evaluation(t, trainer); e.Right != e.Total {
		t.Fatalf("%d of %d right before", e.Right, e.Total)
	}
	for i, s := range dataOf(trainer).sequences {
		s.answers[len(s.answers)-1] = dataOf(trainer).sequences[i].inputs[0] // as if a word had to follow
	}
	if e := evaluation(t, trainer); e.Right != 0 {
		t.Errorf("%d of %d right, want none without the end that the data has", e.Right, e.Total)
	}
	if m := steps(t, trainer, 1)[0]; m.Accuracy != 0 {
		t.Errorf("the step's accuracy is %g, want 0 without the end that the data has", m.Accuracy)
	}
}

func TestEvaluationIsTheSameWithAnyNumberOfThreads(t *testing.T) {
	trainer := halfTrained(t, 1)
	want := evaluation(t, trainer)
	for _, threads := range []int{2, 3, 5} {
		o := trainer.Options
		o.Threads = threads
		other, err := New(trainer.Model, trainer.Tokenizer, trainer.Train, trainer.HeldOut, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := evaluation(t, other); !reflect.DeepEqual(got, want) {
			t.Errorf("%d threads find %+v, one finds %+v", threads, got, want)
		}
		other.Close()
	}
}

func TestEvaluationDoesNotChangeTraining(t *testing.T) {
	for _, threads := range []int{1, 2} {
		o := quick()
		o.Threads, o.Loss = threads, "all"
		a, b := newTrainer(t, mixed(50), o), newTrainer(t, mixed(50), o)
		for range 4 {
			x, y := steps(t, a, 1), steps(t, b, 1)
			if !reflect.DeepEqual(x, y) {
				t.Errorf("metrics are %+v, without evaluations %+v", x, y)
			}
			evaluation(t, a)
		}
		sameBits(t, "weights", a.Model.Weights, b.Model.Weights)
	}
}

func TestEvaluationScoresOperationsAndListsWhatIsWrong(t *testing.T) {
	words := calculatorWords(t)
	d := dataset(t, words, parsed(t, `two times two equals four
one plus one equals two
one plus two equals three
one equals one
`), 12)
	e := &Evaluation{}
	d.summarize(e, []float64{1, 2, 4, 9}, []int{0, 1, 0, 1})
	want := &Evaluation{Loss: 16.0 / 8, Right: 2, Total: 4, Wrong: []int{0, 2},
		ByOperation: []Score{{"other", 1, 1}, {"plus", 1, 2}, {"times", 0, 1}}}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("evaluation is %+v, want %+v", e, want)
	}
	if e.Accuracy() != 0.5 || e.ByOperation[1].Accuracy() != 0.5 || (&Evaluation{}).Accuracy() != 0 {
		t.Error("accuracies are not right / total")
	}
}

// The loss and the accuracy that a step reports are those of its batch, counted from the model's own predictions.
func TestStepMetricsMatchANaiveCountOverPredictions(t *testing.T) {
	for _, loss := range LossNames {
		for _, threads := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, threads %d", loss, threads), func(t *testing.T) {
				o := quick()
				o.Steps, o.Batch, o.Accumulate, o.LearningRate, o.Threads, o.Loss, o.Repeats = 100, 30, 2, 1e-2, threads, loss, nil
				trainer := newTrainer(t, sums(t, 12), o)
				steps(t, trainer, 60)
				batch := drawn(&[]sampler{*trainer.sampler}[0], 60)
				right, tokens, nll, targets := 0, 0, 0.0, 0
				for _, i := range batch {
					s := dataOf(trainer).sequences[i]
					all, from := true, len(s.targets)-s.wanted
					for j, target := range s.targets {
						// What the model predicts behind the first tokens alone.
						ranked, err := trainer.engine.next(s.inputs[:j+1])
						if err != nil {
							t.Fatal(err)
						}
						if j < from && loss == "answer" {
							continue
						}
						nll -= math.Log(probability(ranked, target))
						targets++
						all = all && (j < from || ranked[0].Token == target)
					}
					if all {
						right++
					}
					tokens += len(s.inputs)
				}
				m := steps(t, trainer, 1)[0]
				if right == 0 || right == len(batch) {
					t.Fatalf("%d of %d right: the test needs some of both", right, len(batch))
				}
				if m.Accuracy != float64(right)/60 || m.Tokens != tokens || !near(m.Loss, nll/float64(targets), 1e-4) {
					t.Errorf("the step says accuracy %g of %d tokens with loss %g, want %g, %d, %g", m.Accuracy, m.Tokens, m.Loss,
						float64(right)/60, tokens, nll/float64(targets))
				}
			})
		}
	}
}
