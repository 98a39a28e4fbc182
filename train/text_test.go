package train

import (
	"math"
	"slices"
	"testing"

	"trainer/model"
	"trainer/tokenizer"
)

// counting is the stream 0, 1, 2 ...
func counting(n int) Tokens {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i)
	}
	return InMemory(ids, 0)
}

func TestAnEpochOfTextShowsEveryWindowOnce(t *testing.T) {
	for _, n := range []int{2, 3, 8, 9, 10, 17, 100, 1001} {
		const context = 8
		text := NewText(counting(n), context, 0)
		s := newSampler(text, &Options{Seed: uint64(n)})
		firsts := make(map[int]bool)
		for range 20 {
			places := drawn(s, s.size)
			slices.Sort(places)
			firsts[places[0]] = true
			var r room
			for i, at := range places {
				if i > 0 && at != places[i-1]+context {
					t.Fatalf("%d tokens: windows at %v, want them side by side", n, places)
				}
				w := text.sequence(at, &r)
				if len(w.inputs) != text.length(at) || int(w.inputs[0]) != at || int(w.answers[len(w.answers)-1]) != at+len(w.inputs) {
					t.Fatalf("%d tokens: the window at %d has the inputs %v and targets %v", n, at, w.inputs, w.answers)
				}
			}
		}
		if free := min(context, n-text.length(0)-(s.size-1)*context); len(firsts) < min(free, 4) {
			t.Errorf("%d tokens: 20 epochs begin at %v, want about %d places", n, firsts, free)
		}
		if unused := n - 1 - s.size*text.length(0); unused < 0 || unused >= 2*context {
			t.Errorf("%d tokens: an epoch leaves out %d of them", n, unused)
		}
	}
}

func TestAPermutationMeetsEveryNumberOnceInNoOrder(t *testing.T) {
	for n := 1; n < 300; n++ {
		s := newSampler(NewText(counting(8*(n+1)+1), 8, 0), &Options{Seed: 5})
		if s.size != n {
			t.Fatalf("%d windows an epoch, want %d", s.size, n)
		}
		places := drawn(s, n)
		sorted := slices.Sorted(slices.Values(places))
		if len(slices.Compact(slices.Clone(sorted))) != n {
			t.Fatalf("%d windows: %v repeats some", n, places)
		}
		if n > 20 && slices.Equal(places, sorted) {
			t.Errorf("%d windows come in order", n)
		}
	}
}

func TestATextIsEvaluatedByToken(t *testing.T) {
	const vocab, context = 11, 8
	s := make([]int32, 3*context+5)
	for i := range s {
		s[i] = int32(i * i % vocab)
	}
	c := small(vocab)
	c.Context, c.EOS = context, model.NoToken
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := New(m, tokenizer.NewBytes(), NewText(InMemory(s, 3*len(s)), context, 0), NewText(InMemory(s, 3*len(s)), context, 2), quick())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	all, err := trainer.Evaluate(trainer.Train)
	if err != nil {
		t.Fatal(err)
	}
	limited, err := trainer.Evaluate(trainer.HeldOut)
	if err != nil {
		t.Fatal(err)
	}
	if all.Total != 3*context || limited.Total != 2*context {
		t.Errorf("%d and %d tokens counted, want %d and %d", all.Total, limited.Total, 3*context, 2*context)
	}
	nll, right := 0.0, 0
	for i := range 2 * context {
		ranked, err := trainer.engine.next(s[i/context*context : i+1])
		if err != nil {
			t.Fatal(err)
		}
		nll -= math.Log(probability(ranked, s[i+1]))
		if ranked[0].Token == s[i+1] {
			right++
		}
	}
	if want := nll / (2 * context); !near(limited.Loss, want, 1e-5) || limited.Right != right {
		t.Errorf("loss %g with %d right, want %g with %d", limited.Loss, limited.Right, want, right)
	}
	if want := limited.Loss / math.Ln2 / 3; !near(limited.BitsPerByte(), want, 1e-12) || !near(limited.Perplexity(), math.Exp(limited.Loss), 1e-12) {
		t.Errorf("%g bits a byte and perplexity %g of loss %g", limited.BitsPerByte(), limited.Perplexity(), limited.Loss)
	}
	before := all.Loss
	m1 := steps(t, trainer, 40)
	if last := m1[len(m1)-1]; last.Tokens != 8*context || last.Loss > before-0.2 {
		t.Errorf("40 steps of %d tokens took the loss from %g to %g", last.Tokens, before, last.Loss)
	}
}
