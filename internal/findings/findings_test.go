package findings

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"trainer/internal/arithmetic"
	"trainer/internal/cli"
	"trainer/internal/floor/api"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train/examples"
)

func analyse(t testing.TB, s Subject) *Findings {
	t.Helper()
	f, err := Analyse(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// of are findings of a model of sums and differences.
func of(t testing.TB, m *model.Model) *Findings {
	p := learned()
	return analyse(t, Subject{Model: m, Tokenizer: p.words, Step: 600, Examples: p.list})
}

// held are the claims that hold.
func held(f *Findings) []string {
	var list []string
	for _, c := range f.Claims {
		if c.Holds {
			list = append(list, c.ID)
		}
	}
	return list
}

func TestClaimsHoldOfATrainedModelAndNoneOfARandomOne(t *testing.T) {
	p := learned()
	trained, random := of(t, p.model), of(t, p.new)
	for _, id := range []string{"operations", "output"} {
		if !slices.Contains(held(trained), id) {
			t.Errorf("%s does not hold of the trained model: %+v", id, trained.Claims)
		}
	}
	if list := held(random); list != nil {
		t.Errorf("%v hold of random weights: %+v", list, random.Claims)
	}
	for _, f := range []*Findings{trained, random} {
		if len(f.Claims) != 4 || f.Skipped != nil {
			t.Errorf("%d claims, and %v was skipped", len(f.Claims), f.Skipped)
		}
	}
}

func TestAHeadThatMattersTakesAnswersWithIt(t *testing.T) {
	p := learned()
	weights := slices.Clone(p.model.Weights)
	o := of(t, p.model).Operations
	worst, _ := o.worst()
	if o.Whole < 0.95 || worst.Right > o.Whole-0.3 {
		t.Errorf("%g of the answers are right, and %g without head %d.%d: want far fewer", o.Whole, worst.Right, worst.Layer, worst.Head)
	}
	if !slices.Equal(p.model.Weights, weights) {
		t.Error("the model's own weights were changed")
	}
	// Each is silenced alone: the last one in a model of its own leaves as many right.
	last, c := o.Silenced[len(o.Silenced)-1], p.model.Config
	alone := p.model.Over(slices.Clone(p.model.Weights))
	alone.SilenceHead(c.Layers-1, c.Heads-1)
	if got := of(t, alone).Operations.Whole; got != last.Right {
		t.Errorf("without head %d.%d alone %g of the answers are right, found was %g", last.Layer, last.Head, got, last.Right)
	}
	// A head whose values are zero reads nothing: without it all answers are the same.
	m := p.model.Over(weights)
	qkv := m.Parameter("transformer.h.0.attn.c_attn.weight").Value // [C, 3·C], values behind queries and keys
	bias := m.Parameter("transformer.h.0.attn.c_attn.bias").Value
	for j := 2 * c.Width; j < 2*c.Width+c.HeadDim(); j++ {
		bias[j] = 0
		for i := range c.Width {
			qkv[i*3*c.Width+j] = 0
		}
	}
	if o := of(t, m).Operations; o.Silenced[0].Right != o.Whole || o.Silenced[0].Layer != 1 || o.Silenced[0].Head != 1 {
		t.Errorf("without a head of zeros %+v, with it %g", o.Silenced[0], o.Whole)
	}
}

func TestTheOperationsWordDecidesTheAnswer(t *testing.T) {
	o := of(t, learned().model).Operations
	if o.Same != 55 { // pairs of 0 to 9 whose difference is not negative
		t.Errorf("%d pairs of numbers, want 55", o.Same)
	}
	if len(o.Swaps) != 2 {
		t.Fatalf("swaps %+v, want plus for minus and the reverse", o.Swaps)
	}
	for _, s := range o.Swaps {
		if s.Questions != 45 || s.New < 0.9 || s.Old > 0.05 { // a pair with 0 behind has one answer under both
			t.Errorf("%s for %s: %+v, want 45 questions with the new answer", s.To, s.From, s)
		}
	}
}

// With queries of zero every row reads all before it alike.
func TestAHeadWithoutQueriesLooksEverywhereAlike(t *testing.T) {
	p := learned()
	m := p.model.Over(slices.Clone(p.model.Weights))
	c := m.Config
	qkv, bias := m.Parameter("transformer.h.1.attn.c_attn.weight").Value, m.Parameter("transformer.h.1.attn.c_attn.bias").Value
	for j := range c.Width {
		bias[j] = 0
		for i := range c.Width {
			qkv[i*3*c.Width+j] = 0
		}
	}
	a := of(t, m).Attention
	if a.Asked != len(p.list) {
		t.Errorf("%d questions with an operation, want %d", a.Asked, len(p.list))
	}
	// "two plus three equals": 1 of 2, then 1, 1 and 1 of 4.
	want := Gaze{0.5, 0.25, 0.25, 0.25}
	near := func(a, b api.Number) bool { return math.Abs(float64(a-b)) < 1e-5 }
	for _, g := range []Gaze{a.Uniform, a.Heads[2].Gaze, a.Heads[3].Gaze} {
		if !near(g.OperatorBefore, want.OperatorBefore) || !near(g.LastBefore, want.LastBefore) || !near(g.LastOperator, want.LastOperator) ||
			!near(g.LastAfter, want.LastAfter) {
			t.Errorf("a head that reads all alike: %+v, want %+v", g, want)
		}
	}
	// Rows 0 to 3 look 0, 1/2, 1 and 3/2 tokens back in the mean, and give themselves 1, 1/2, 1/3 and 1/4.
	if h := a.Heads[2]; !near(h.Distance, 0.75) || !near(h.Self, (1+0.5+1.0/3+0.25)/4) || !near(h.Previous, (0.5+1.0/3+0.25)/4) || h.First != h.Self {
		t.Errorf("that head: %+v", h)
	}
}

func TestNumbersOnAnArcLieInTheirOrder(t *testing.T) {
	p := learned()
	m := p.new.Over(slices.Clone(p.new.Weights))
	table := m.Parameters[0]
	clear(table.Value)
	for value := range 100 {
		id, ok := p.words.ID(arithmetic.Number(value))
		if !ok {
			continue // two words
		}
		table.Value[int(id)*table.Shape[1]] = float32(math.Cos(float64(value) / 100))
		table.Value[int(id)*table.Shape[1]+1] = float32(math.Sin(float64(value) / 100))
	}
	n := of(t, m).Numbers
	if len(n.Words) != 28 || n.Values[27] != 90 || n.Spearman < 0.99 || n.Axis < 0.99 {
		t.Errorf("%d words, Spearman %g, order along the first direction %g", len(n.Words), n.Spearman, n.Axis)
	}
	if sum := n.Explained[0] + n.Explained[1]; math.Abs(float64(sum)-1) > 1e-6 || n.Explained[0] < n.Explained[1] {
		t.Errorf("two directions explain %v, want all", n.Explained)
	}
	// The plane of the arc is that of the two directions: distances in it stay.
	across := math.Hypot(float64(n.PCA[27][0]-n.PCA[0][0]), float64(n.PCA[27][1]-n.PCA[0][1]))
	if want := 2 * math.Sin(0.45); math.Abs(across-want) > 1e-6 {
		t.Errorf("zero and ninety are %g apart, want %g", across, want)
	}
	for i := range n.Words {
		if math.Abs(float64(n.Similarity[i][i])-1) > 1e-6 || math.Abs(float64(n.Similarity[i][0])-math.Cos(float64(n.Values[i])/100)) > 1e-6 {
			t.Errorf("%s has the cosine %g with itself and %g with zero", n.Words[i], n.Similarity[i][i], n.Similarity[i][0])
		}
	}
}

func TestCorrelationsAreThoseOfTheTextbook(t *testing.T) {
	if got := ranks([]float64{3, 1, 3, 2}); !slices.Equal(got, []float64{2.5, 0, 2.5, 1}) {
		t.Errorf("ranks %v", got)
	}
	// Means 2 and 4; 3 / √(2 · 14).
	if got, want := pearson([]float64{1, 2, 3}, []float64{2, 3, 7}), 5/math.Sqrt(2*14); math.Abs(got-want) > 1e-12 {
		t.Errorf("pearson %g, want %g", got, want)
	}
	if got := spearman([]float64{1, 2, 3}, []float64{-2, -3, -70}); got != -1 {
		t.Errorf("spearman of what falls is %g", got)
	}
	if got := pearson([]float64{1, 1}, []float64{2, 3}); got != 0 {
		t.Errorf("with a constant: %g", got)
	}
}

func TestBehindTheLastLayerTheLensSaysWhatTheModelSays(t *testing.T) {
	f := of(t, learned().model)
	l := f.Lens
	if len(l.Top) != 3 || l.Top[2] < *l.Right || l.Top[0] > 0.5 || *l.Right != f.Operations.Whole {
		t.Errorf("answers on top %v, right in full %g of %g", l.Top, *l.Right, f.Operations.Whole)
	}
}

func TestOfAModelOfTextsIsToldWhatAppliesAndWhatDoesNot(t *testing.T) {
	const text = "to be or not to be"
	letters, err := tokenizer.BuildChar(text)
	if err != nil {
		t.Fatal(err)
	}
	c := model.Calculator(letters.VocabSize())
	c.EOS = model.NoToken
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	f := analyse(t, Subject{Model: m, Tokenizer: letters, Text: text})
	if f.Claims != nil || f.Operations != nil || f.Numbers != nil || f.Attention == nil || f.Lens.Asked != c.Context-1 || len(f.Neighbours) != 7 {
		t.Errorf("findings of a text: %+v", f)
	}
	if h := f.Attention.Heads[0]; h.Distance < 1 || h.First <= 0 || f.Attention.Asked != 0 {
		t.Errorf("its attention: %+v", h)
	}
	for _, what := range []string{"numbers", "operations", "answers"} {
		if !slices.ContainsFunc(f.Skipped, func(s Skipped) bool { return s.What == what && s.Why != "" }) {
			t.Errorf("nothing says why there are no %s: %v", what, f.Skipped)
		}
	}
	nothing := analyse(t, Subject{Model: m, Tokenizer: letters})
	if nothing.Attention != nil || nothing.Lens != nil {
		t.Errorf("of nothing to read: %+v", nothing)
	}
}

func TestAnExampleThatDoesNotFitIsADataError(t *testing.T) {
	p := learned()
	misspelt := []examples.Example{{Question: "two plus thre equals", Answer: "five", Source: "sums", Line: 7}}
	_, err := Analyse(Subject{Model: p.new, Tokenizer: p.words, Examples: misspelt})
	if err == nil || !strings.Contains(err.Error(), "sums:7") {
		t.Errorf("%v, want an error that names the line", err)
	}
}

func TestFindingsReadWellOnATerminalAndAsJSON(t *testing.T) {
	f := of(t, learned().model)
	var text strings.Builder
	const width = 90
	if err := f.Write(&text, cli.Terminal{Width: width}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(line, "\n")
		if n := len([]rune(line)); n > width || strings.HasSuffix(line, " ") {
			t.Errorf("a line of %d columns: %q", n, line)
		}
	}
	for _, part := range []string{"at step 600", "✓ To each question", "plus → minus", "without head 1.2", "behind layer 2", "uniform", "Spearman"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("%q is missing in\n%s", part, text.String())
		}
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"step", "attention", "numbers", "operations", "lens", "claims"} {
		if back[key] == nil {
			t.Errorf("no %s in %s", key, data)
		}
	}
}
