package train

import (
	"math"
	"reflect"
	"slices"
	"testing"
)

func TestFollowingAStepDoesNotChangeIt(t *testing.T) {
	for _, threads := range []int{1, 2, 3} {
		o := quick()
		o.Threads, o.Accumulate = threads, 2
		a, b := newTrainer(t, mixed(50), o), newTrainer(t, mixed(50), o)
		for i := range 4 {
			f, err := a.FollowStep(i)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := timeless(*f.Metrics), steps(t, b, 1)[0]; !reflect.DeepEqual(got, want) {
				t.Errorf("%d threads: followed, the step says %+v, else %+v", threads, got, want)
			}
		}
		sameBits(t, "weights", a.Model.Weights, b.Model.Weights)
	}
}

func TestFollowStepTellsWhatHappened(t *testing.T) {
	o := quick()
	o.Clip, o.Threads = 0.1, 2
	trainer := newTrainer(t, mixed(50), o)
	steps(t, trainer, 2)
	const example = 17
	s := dataOf(trainer).sequences[example]
	prompt := s.inputs[:len(s.inputs)-s.wanted+1]
	answer := s.targets[len(s.targets)-s.wanted]
	p := func() float64 {
		ranked, err := trainer.engine.next(prompt)
		if err != nil {
			t.Fatal(err)
		}
		return probability(ranked, answer)
	}
	old := slices.Clone(trainer.Model.Weights)
	before := p()
	f, err := trainer.FollowStep(example)
	if err != nil {
		t.Fatal(err)
	}
	gradients := slices.Clone(gradientOf(t, trainer))
	if f.Step != 3 || f.Question != dataOf(trainer).Examples[example].Question || f.Target != trainer.Tokenizer.Token(answer) {
		t.Errorf("step %d of %q with target %q", f.Step, f.Question, f.Target)
	}
	if f.Before != before || f.After != p() || f.NLL() != -math.Log(before) {
		t.Errorf("the target's probability went from %g to %g, want %g to %g", f.Before, f.After, before, p())
	}
	if len(f.Top) != 3 || f.Top[0].Probability < f.Top[1].Probability || f.Top[1].Probability < f.Top[2].Probability {
		t.Errorf("top is %v, want the three likeliest in order", f.Top)
	}
	w := f.Weight
	parameter := trainer.Model.Parameter(w.Parameter)
	at := parameter.Begin
	for d, i := range w.Index {
		at += i * product(parameter.Shape[d+1:])
	}
	if float32(w.Before) != old[at] || float32(w.After) != trainer.Model.Weights[at] || w.Before == w.After {
		t.Errorf("%s%v went from %g to %g, want %g to %g", w.Parameter, w.Index, w.Before, w.After, old[at], trainer.Model.Weights[at])
	}
	if float32(w.Gradient) != gradients[at] || w.LearningRate != trainer.schedule.At(2) || w.LearningRate != f.Metrics.LearningRate {
		t.Errorf("gradient %g with learning rate %g, want %g with %g", w.Gradient, w.LearningRate, gradients[at], trainer.schedule.At(2))
	}
	if got := w.Before - w.LearningRate*w.Direction; math.Abs(got-w.After) > 1e-6*max(math.Abs(w.Before), math.Abs(w.After)) {
		t.Errorf("the weight became %.9g, but %.9g - %g × %g is %.9g", w.After, w.Before, w.LearningRate, w.Direction, got)
	}
	if want := w.Mean/w.Size + w.Decay*w.Before; w.Direction != want || w.Decay != o.WeightDecay {
		t.Errorf("the direction is %g, want %g = %g / %g + %g × %g", w.Direction, want, w.Mean, w.Size, w.Decay, w.Before)
	}
	if !near(w.Scale, 0.1/f.Metrics.GradientNorm, 1e-4) {
		t.Errorf("the gradient of norm %g is scaled by %g, want down to 0.1", f.Metrics.GradientNorm, w.Scale)
	}

	// Its loss, blame and steepest weight are those of a batch of this example alone, before the step.
	copy(trainer.Model.Weights, old)
	if o := measured(t, trainer, []int{example}, 1, false); f.Loss != o.loss {
		t.Errorf("loss is %g, want %g", f.Loss, o.loss)
	}
	alone := gradientOf(t, trainer)
	blame, largest := make([]float64, len(trainer.Model.Stages)), float32(0)
	var total float64
	for _, p := range trainer.Model.Parameters {
		for _, g := range alone[p.Begin : p.Begin+p.Size()] {
			blame[p.Stage] += float64(g) * float64(g)
			total += float64(g) * float64(g)
			largest = max(largest, g, -g)
		}
	}
	for i := range blame {
		if !near(f.Blame[i], blame[i]/total, 1e-5) {
			t.Errorf("%s has the blame %g, want %g", trainer.Model.Stages[i].Name, f.Blame[i], blame[i]/total)
		}
	}
	if g := alone[at]; max(g, -g) != largest {
		t.Errorf("the weight followed has the gradient %g, but the largest is %g", g, largest)
	}
}

func TestFollowedWeightMovesAgainstItsGradientWithSGD(t *testing.T) {
	o := quick()
	o.Optimizer, o.Clip = "sgd", 0.1
	f, err := newTrainer(t, mixed(50), o).FollowStep(3)
	if err != nil {
		t.Fatal(err)
	}
	w := f.Weight
	got, tolerance := w.Before-w.LearningRate*w.Gradient*w.Scale, 1e-6*max(math.Abs(w.Before), math.Abs(w.After))
	if math.Abs(got-w.After) > tolerance || w.Direction != w.Gradient*w.Scale {
		t.Errorf("the weight became %.9g, want %.9g; the direction is %g", w.After, got, w.Direction)
	}
	if w.Mean != 0 || w.Size != 0 || w.Decay != 0 {
		t.Errorf("plain gradient descent has no moments, but %+v", w)
	}
}

func product(list []int) int {
	n := 1
	for _, v := range list {
		n *= v
	}
	return n
}

func TestNextExampleIsTheFirstOfTheNextStep(t *testing.T) {
	o := quick()
	o.Batch = 7
	trainer := newTrainer(t, mixed(5), o) // an epoch ends within each batch, and sometimes at its end
	for range 30 {
		next := trainer.NextExample()
		if again := trainer.NextExample(); again != next {
			t.Fatalf("looking at example %d moved on to %d", next, again)
		}
		steps(t, trainer, 1)
		if got := int(trainer.batch[0]); got != next {
			t.Fatalf("step %d began with example %d, want %d", trainer.StepsTaken(), got, next)
		}
	}
}
