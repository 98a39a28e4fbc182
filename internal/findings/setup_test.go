package findings

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"trainer/internal/arithmetic"
	"trainer/internal/floor/api"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// pupil is a model of sums and differences of numbers up to 9, before its training and behind it.
type pupil struct {
	words      *tokenizer.Word
	list       []examples.Example
	new, model *model.Model
}

// learned trains the pupil, once for all tests: a second of one core.
var learned = sync.OnceValue(func() *pupil {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	words, err := tokenizer.NewWord(arithmetic.Words())
	must(err)
	p := &pupil{words: words}
	for _, problem := range arithmetic.Problems() {
		if problem.A <= 9 && problem.B <= 9 && problem.Op != arithmetic.Times {
			p.list = append(p.list, examples.Example{Question: problem.Question(), Answer: problem.Answer(), Operation: string(problem.Op)})
		}
	}
	c := model.Calculator(words.VocabSize())
	c.Width, c.Layers, c.Heads, c.MLPWidth, c.EOS = 32, 2, 2, 64, int(words.EOS())
	o := train.Calculator()
	o.Steps, o.Batch, o.WarmUp, o.LearningRate, o.Threads = 600, 64, 20, 5e-3, 1
	p.new, err = model.New(c, o.Seed)
	must(err)
	p.model, err = model.New(c, o.Seed)
	must(err)
	data, err := train.NewDataset(words, p.list, c.Context)
	must(err)
	trainer, err := train.New(p.model, words, data, &train.Dataset{}, o)
	must(err)
	defer trainer.Close()
	for range o.Steps {
		_, err := trainer.Step()
		must(err)
	}
	return p
})

// open returns an executor of a model until the end of the test.
func open(t testing.TB, m *model.Model) *model.Executor {
	t.Helper()
	e, err := train.Open(m, "cpu")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// prompt is a question with its target.
func prompt(t testing.TB, words tokenizer.Tokenizer, question, target string) *Prompt {
	t.Helper()
	ids, err := words.Encode(question)
	if err != nil {
		t.Fatal(err)
	}
	p := &Prompt{Text: question, IDs: ids}
	if id, ok := words.ID(target); ok {
		p.Target = &api.Token{ID: id, Text: target}
	}
	return p
}

// text is what is greedily answered, without the end.
func text(answer []api.AnswerWord) string {
	var words []string
	for _, w := range answer {
		words = append(words, w.Text)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == tokenizer.EOSToken }), " ")
}
