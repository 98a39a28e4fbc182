package model

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"trainer/internal/vm"
)

// mixedExamples are sequences of many lengths, the shortest and the longest among them.
func mixedExamples(c Config) []example { return newExamples(c, 5, 1, 9, 9, 2, 7, 1, 4) }

// forEachKind runs f with a model of every kind.
func forEachKind(t *testing.T, f func(t *testing.T, m *Model, e *Executor)) {
	for name, c := range kinds() {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, c)
			f(t, m, newExecutor(t, m))
		})
	}
}

// Gradients are sums over the tokens of a batch, and float32 sums depend on their order.
func TestTheOrderOfSequencesDoesNotMatter(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		list := mixedExamples(m.Config)
		want := run(t, e, batchOf(list...), Train, 0.1)
		slices.Reverse(list)
		sameOutcome(t, m, run(t, e, batchOf(list...), Train, 0.1), want)
	})
}

func TestABatchIsTheSumOfItsSequences(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		list := mixedExamples(m.Config)
		got := run(t, e, batchOf(list...), Train, 0.1)
		want := outcome{Gradients: make([]float32, len(m.Weights))}
		for _, one := range list {
			r := run(t, e, batchOf(one), Train, 0.1)
			want.Loss += r.Loss
			want.NLL = append(want.NLL, r.NLL...)
			want.Hits = append(want.Hits, r.Hits...)
			for i, g := range r.Gradients {
				want.Gradients[i] += g
			}
		}
		sameOutcome(t, m, got, want)
		near(t, "NLL", got.NLL, want.NLL, rounding)
		sameBits(t, "hits", got.Hits, want.Hits)
	})
}

func TestTheLossIsTheWeightedSumOfLogSoftmax(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		b := batchOf(mixedExamples(m.Config)...)
		logits, r := run(t, e, b, Predict, 0).Logits, run(t, e, b, Evaluate, 0.1)
		var loss float64
		for row, target := range b.targets {
			of := logits[row*m.Config.VocabSize : (row+1)*m.Config.VocabSize]
			var sum float64
			for _, v := range of {
				sum += math.Exp(float64(v))
			}
			nll := math.Log(sum) - float64(of[target])
			near(t, "NLL", r.NLL[row:row+1], []float32{float32(nll)}, rounding)
			if hit := r.Hits[row] == 1; hit != (slices.Max(of) == of[target]) {
				t.Errorf("row %d: hit %v, but the likeliest token has the logit %g and the target %g", row, hit, slices.Max(of), of[target])
			}
			loss += 0.1 * nll
		}
		near(t, "loss", []float32{r.Loss}, []float32{float32(loss)}, rounding)
		near(t, "loss in training", []float32{run(t, e, b, Train, 0.1).Loss}, []float32{r.Loss}, rounding)
	})
}

// inShape runs a training step in a shape of the test's choice.
func inShape(t *testing.T, e *Executor, s Shape, in inputs) outcome {
	t.Helper()
	p, err := e.program(s, Train)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.write(in); err != nil {
		t.Fatal(err)
	}
	if err := p.vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	loss, err := p.vm.Floats(p.results[0])
	if err != nil {
		t.Fatal(err)
	}
	gradients := vm.Float32s(p.vm.Outputs().Host())[:len(e.model.Weights)]
	return copied(outcome{Result: Result{Loss: loss[0]}, Gradients: gradients})
}

// Padding adds nothing, but products may be divided into blocks in another way when there is more of it.
func TestPaddingAndTheShapeOfTheProgramDoNotMatter(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		b := batchOf(mixedExamples(m.Config)...)
		exact := Shape{Rows: b.Tokens(), Sequences: 8, Predictions: b.Predictions()}
		want := inShape(t, e, exact, b.pad(exact, 0.1))
		sameOutcome(t, m, run(t, e, b, Train, 0.1), want)
		for _, s := range []Shape{
			{Rows: exact.Rows + 1, Sequences: exact.Sequences, Predictions: exact.Predictions},
			{Rows: exact.Rows, Sequences: exact.Sequences + 5, Predictions: exact.Predictions},
			{Rows: exact.Rows, Sequences: exact.Sequences, Predictions: exact.Predictions + 3},
			{Rows: exact.Rows + 200, Sequences: exact.Sequences + 70, Predictions: exact.Predictions + 100},
		} {
			sameOutcome(t, m, inShape(t, e, s, b.pad(s, 0.1)), want)
		}
	})
}

func TestSomeWantedRowsAreAllRowsWithTheOthersMasked(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		b := batchOf(mixedExamples(m.Config)...)
		all := Shape{Rows: b.Tokens(), Sequences: 8}
		in := b.pad(Shape{Rows: b.Tokens(), Sequences: 8, Predictions: b.Predictions()}, 0.1)
		targets, weights := make([]int32, b.Tokens()), make([]float32, b.Tokens())
		for i := range targets {
			targets[i] = -1
		}
		for i, row := range in.wanted {
			targets[row], weights[row] = in.targets[i], in.weights[i]
		}
		in.wanted, in.targets, in.weights = nil, targets, weights
		sameOutcome(t, m, run(t, e, b, Train, 0.1), inShape(t, e, all, in))
	})
}

// Where every token is predicted from, the program has no gather of wanted rows.
func TestABatchWithATargetEverywhereNeedsNoWantedRows(t *testing.T) {
	b := &Batch{}
	b.Add([]int32{1, 2, 3}, []int32{4, 5, 6})
	if s := b.shape(); s.Predictions != 0 || s.predictions() != s.Rows {
		t.Errorf("shape %+v, want all rows", s)
	}
	b.Add([]int32{1}, []int32{-1})
	if s := b.shape(); s.Predictions != 16 {
		t.Errorf("shape %+v, want 16 predictions", s)
	}
}

func TestABatchCanRunAgainAndGrow(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		list := mixedExamples(m.Config)
		b := batchOf(list[:3]...)
		logits := run(t, e, b, Predict, 0)
		first := run(t, e, b, Train, 0.1)
		sameBits(t, "logits of the second run", run(t, e, b, Predict, 0).Logits, logits.Logits)
		sameBits(t, "gradients of the second run", run(t, e, b, Train, 0.1).Gradients, first.Gradients)
		for _, one := range list[3:] {
			b.Add(one.tokens, one.targets)
		}
		want := run(t, e, batchOf(list...), Train, 0.1)
		got := run(t, e, b, Train, 0.1)
		sameBits(t, "NLL of a batch that grew", got.NLL, want.NLL)
		sameBits(t, "gradients of a batch that grew", got.Gradients, want.Gradients)
		b.Reset()
		for _, one := range list[:3] {
			b.Add(one.tokens, one.targets)
		}
		sameBits(t, "gradients of a batch that was reset", run(t, e, b, Train, 0.1).Gradients, first.Gradients)
	})
}

func TestAPredictionDependsOnNoLaterTokenAndNoOtherSequence(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		everywhere := func(tokens ...int32) example { return example{tokens, make([]int32, len(tokens))} }
		vocab := m.Config.VocabSize
		want := run(t, e, batchOf(everywhere(3, 1, 4, 1, 5), everywhere(9, 2, 6)), Predict, 0).Logits
		got := run(t, e, batchOf(everywhere(3, 1, 4, 8, 7), everywhere(9, 2, 6)), Predict, 0).Logits
		sameBits(t, "logits before a changed token", got[:3*vocab], want[:3*vocab])
		sameBits(t, "logits of the other sequence", got[5*vocab:], want[5*vocab:])
		for row := 3; row < 5; row++ {
			if slices.Equal(got[row*vocab:(row+1)*vocab], want[row*vocab:(row+1)*vocab]) {
				t.Errorf("row %d does not depend on its token", row)
			}
		}
		// An earlier token matters to every later row.
		other := run(t, e, batchOf(everywhere(8, 1, 4, 1, 5), everywhere(9, 2, 6)), Predict, 0).Logits
		if slices.Equal(other[4*vocab:5*vocab], want[4*vocab:5*vocab]) {
			t.Error("the last row does not depend on the first token")
		}
	})
}

func TestTheOrderOfTokensMatters(t *testing.T) {
	for name, c := range kinds() {
		// With one layer and no positions, the last row would see the same set of tokens.
		c.Layers = 1
		m := newModel(t, c)
		e := newExecutor(t, m)
		logits := func(tokens ...int32) []float32 {
			b := &Batch{}
			b.AddPrompt(tokens)
			return run(t, e, b, Predict, 0).Logits
		}
		one, other := logits(3, 1, 4), logits(1, 3, 4)
		differ := 0.0
		for i := range one {
			differ = max(differ, math.Abs(float64(one[i]-other[i])))
		}
		if differ < 1e-3 {
			t.Errorf("%s: the tokens before the last can be swapped: logits differ by %g", name, differ)
		}
	}
}

func TestRotaryPositionsAreRelative(t *testing.T) {
	for name, c := range kinds() {
		m := newModel(t, c)
		e := newExecutor(t, m)
		b := batchOf(newExamples(c, 5)...)
		s := Shape{Rows: 5, Sequences: 1, Predictions: b.Predictions()}
		want := inShape(t, e, s, b.pad(s, 1)).Loss
		moved := b.pad(s, 1)
		for i := range moved.positions {
			moved.positions[i] += 4
		}
		got := inShape(t, e, s, moved).Loss
		if relative := math.Abs(float64(got-want)) < rounding*float64(want); relative != (c.Positions == Rotary) {
			t.Errorf("%s: the loss is %g at positions 0 to 4 and %g at 4 to 8", name, want, got)
		}
	}
}

func TestPredictionsAreInTheOrderInWhichTheyWereAdded(t *testing.T) {
	m := newModel(t, kinds()["learned, tied false"])
	e := newExecutor(t, m)
	prompts := [][]int32{{1, 2, 3}, {4}, {5, 6, 7, 8}}
	b := &Batch{}
	for _, p := range prompts {
		b.AddPrompt(p)
	}
	got := run(t, e, b, Predict, 0).Logits
	if b.Predictions() != 3 || b.Tokens() != 8 || len(got) != 3*m.Config.VocabSize {
		t.Fatalf("%d predictions of %d tokens have %d logits", b.Predictions(), b.Tokens(), len(got))
	}
	for i, p := range prompts {
		b.Reset()
		b.AddPrompt(p)
		near(t, "logits", got[i*m.Config.VocabSize:(i+1)*m.Config.VocabSize], run(t, e, b, Predict, 0).Logits, rounding)
	}
}

func TestShapesWasteLittleAndAreFew(t *testing.T) {
	seen := make(map[int]bool)
	for n := 1; n <= 10_000; n++ {
		size := roundUp(n)
		if size < n || size-n > max(15, n/32) {
			t.Errorf("%d is rounded up to %d", n, size)
		}
		seen[size] = true
	}
	if len(seen) > 250 {
		t.Errorf("%d shapes for up to 10,000 tokens", len(seen))
	}
}

func TestABatchRefusesTargetsOfAnotherLength(t *testing.T) {
	wantPanic(t, "2 tokens with 1 targets", func() { (&Batch{}).Add([]int32{1, 2}, []int32{3}) })
}

func TestABatchThatTheModelCannotReadPanicsWithItsSizes(t *testing.T) {
	forEachKind(t, func(t *testing.T, m *Model, e *Executor) {
		long, vocab := m.Config.Context+1, int32(m.Config.VocabSize)
		for want, b := range map[string]*Batch{
			"sequence 1 of the batch has 10 tokens, more than the context of 9": batchOf(
				example{make([]int32, 2), make([]int32, 2)}, example{make([]int32, long), make([]int32, long)}),
			"token 1 of the batch is 19, outside of the vocabulary of 19":  batchOf(example{[]int32{0, vocab}, []int32{0, 0}}),
			"token 0 of the batch is -1, outside of the vocabulary of 19":  batchOf(example{[]int32{-1, 0}, []int32{0, 0}}),
			"target 0 of the batch is 19, outside of the vocabulary of 19": batchOf(example{[]int32{0, 1}, []int32{-1, vocab}}),
		} {
			wantPanic(t, want, func() { e.Run(b, Train, 1) })
		}
	})
}

// wantPanic fails unless f panics with that in its message.
func wantPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := recover(); !strings.Contains(fmt.Sprint(got), want) {
			t.Errorf("panic %v, want one that says %q", got, want)
		}
	}()
	f()
}
