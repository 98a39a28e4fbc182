package findings

import (
	"math"
	"slices"
	"testing"

	"trainer/internal/floor/api"
	"trainer/model"
	"trainer/train"
	"trainer/train/examples"
)

func TestATraceTellsWhatTheModelAnswersAndHowSure(t *testing.T) {
	p := learned()
	trace, err := Trace(open(t, p.model), p.words, prompt(t, p.words, "two plus three equals", "five"), 600)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(trace.Answer); got != "five" {
		t.Errorf("the answer is %q, want five", got)
	}
	layers, heads, rows := p.model.Config.Layers, p.model.Config.Heads, 4
	if len(trace.Tokens) != rows || len(trace.Residual) != layers+1 || len(trace.Attention) != layers || len(trace.Lens) != layers+1 {
		t.Fatalf("%d tokens, %d residuals, %d layers of attention, %d of the lens", len(trace.Tokens), len(trace.Residual), len(trace.Attention), len(trace.Lens))
	}
	for l, layer := range trace.Attention {
		if len(layer) != heads {
			t.Fatalf("layer %d has %d heads", l, len(layer))
		}
		for h, pattern := range layer {
			for i, row := range pattern {
				sum := 0.0
				for j, w := range row {
					sum += float64(w)
					if j > i && w != 0 {
						t.Errorf("layer %d, head %d: token %d looks ahead at %d", l, h, i, j)
					}
				}
				if math.Abs(sum-1) > 1e-5 {
					t.Errorf("layer %d, head %d: the weights of token %d add up to %g", l, h, i, sum)
				}
			}
		}
	}
	// What is told in two places is the same.
	best := trace.Logits.Top[0]
	if best.Text != "five" || best.Probability != *trace.Probability || math.Abs(float64(trace.Answer[0].Probability-best.Probability)) > 1e-6 {
		t.Errorf("the likeliest word is %+v, the target has %g, and the answer begins with %+v", best, *trace.Probability, trace.Answer[0])
	}
	if want := -math.Log(float64(*trace.Probability)); math.Abs(float64(*trace.Loss)-want) > 1e-6 {
		t.Errorf("the loss is %g, want %g", *trace.Loss, want)
	}
	if last := trace.Lens[layers]; *last.TargetProbability != *trace.Probability {
		t.Errorf("the lens behind the last layer gives the target %g, want %g", *last.TargetProbability, *trace.Probability)
	}
}

// A run with model.Train computes the gradient in the fused program of the training.
func TestTheBlameIsThatOfTheTargetsGradient(t *testing.T) {
	p := learned()
	e := open(t, p.new)
	question := prompt(t, p.words, "two plus three equals", "five")
	trace, err := Trace(e, p.words, question, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b model.Batch
	b.Add(question.IDs, []int32{-1, -1, -1, question.Target.ID})
	if _, err := e.Run(&b, model.Train, 1); err != nil {
		t.Fatal(err)
	}
	g, err := e.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	var all float64
	squares := make([]float64, len(p.new.Stages))
	for i := range p.new.Parameters {
		q := &p.new.Parameters[i]
		for _, v := range g[q.Begin : q.Begin+q.Size()] {
			squares[q.Stage] += float64(v) * float64(v)
			all += float64(v) * float64(v)
		}
	}
	for i, s := range trace.Blame {
		if want := squares[i] / all; math.Abs(float64(s.Share)-want) > 1e-5 || s.Stage != p.new.Stages[i].Name {
			t.Errorf("the blame of %s is %g, want %g", s.Stage, s.Share, want)
		}
	}
	if want := math.Sqrt(all); math.Abs(float64(*trace.GradientNorm)-want) > 1e-5*want {
		t.Errorf("the gradient's norm is %g, want %g", *trace.GradientNorm, want)
	}
}

func TestWithoutATargetThereIsNobodyToBlame(t *testing.T) {
	p := learned()
	trace, err := Trace(open(t, p.model), p.words, prompt(t, p.words, "two plus", ""), 0)
	if err != nil {
		t.Fatal(err)
	}
	if trace.Blame != nil || trace.Loss != nil || trace.GradientNorm != nil || trace.Lens[0].TargetProbability != nil {
		t.Errorf("without a target: %+v", trace)
	}
}

// A long text in a wide model, with rotary positions: vectors are pooled, patterns cut.
func TestWhatIsTooLargeForAPageIsPooledOrCut(t *testing.T) {
	words := learned().words
	c := model.Calculator(words.VocabSize())
	c.Architecture, c.Width, c.Heads, c.KVHeads, c.Context, c.Positions = model.Llama, 96, 4, 2, 100, model.Rotary
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int32, 90)
	for i := range ids {
		ids[i] = int32(i % words.VocabSize())
	}
	trace, err := Trace(open(t, m), words, &Prompt{IDs: ids}, 0)
	if err != nil {
		t.Fatal(err)
	}
	pattern := trace.Attention[1][3]
	if len(trace.Residual[2]) != 90 || len(trace.Residual[2][0]) != api.MaxColumns || trace.Width != 96 || trace.Positions != nil ||
		len(pattern) != api.MaxRows || len(pattern[0]) != api.MaxRows || trace.AttentionFrom != 26 {
		t.Errorf("%d rows of %d, positions %v, patterns of %d by %d from %d", len(trace.Residual[2]), len(trace.Residual[2][0]),
			trace.Positions, len(pattern), len(pattern[0]), trace.AttentionFrom)
	}
	if got, want := pool([]float32{1, 2, 3, 4, 5}, 2), []float32{1.5, 4}; !slices.Equal(got, want) {
		t.Errorf("pooled to %v, want %v", got, want)
	}
}

// A trainer looks with its own executor between two steps, which come out as if it had not looked.
func TestLookingDoesNotChangeTheTraining(t *testing.T) {
	p := learned()
	weights := func(look bool) []float32 {
		m, err := model.New(p.new.Config, 3)
		if err != nil {
			t.Fatal(err)
		}
		data, err := train.NewDataset(p.words, p.list, m.Config.Context)
		if err != nil {
			t.Fatal(err)
		}
		o := train.Calculator()
		o.Steps, o.Batch, o.WarmUp, o.Threads = 4, 8, 1, 1
		trainer, err := train.New(m, p.words, data, &train.Dataset{Examples: []examples.Example{}}, o)
		if err != nil {
			t.Fatal(err)
		}
		defer trainer.Close()
		for range o.Steps {
			if _, err := trainer.Step(); err != nil {
				t.Fatal(err)
			}
			if look {
				if _, err := Trace(trainer.Executor(), p.words, prompt(t, p.words, "two plus three equals", "five"), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		return m.Weights
	}
	if !slices.Equal(weights(true), weights(false)) {
		t.Error("a training that was looked into has other weights")
	}
}
