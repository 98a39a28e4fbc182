package train

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/internal/arithmetic"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train/examples"
)

// sums are all sums of two numbers up to n. Up to 9 they are all of one length, so that every batch has the same shape.
func sums(t testing.TB, n int) []examples.Example {
	t.Helper()
	var text strings.Builder
	for a := range n + 1 {
		for b := range n + 1 {
			fmt.Fprintf(&text, "%s plus %s equals %s\n", arithmetic.Number(a), arithmetic.Number(b), arithmetic.Number(a+b))
		}
	}
	list, err := examples.Parse(strings.NewReader(text.String()), "sums")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// mixed are n examples of the calculator, of all operations and lengths; the last is a product.
func mixed(n int) []examples.Example {
	all := examples.Calculator()
	var list []examples.Example
	for i := range n {
		list = append(list, all[(i+1)*len(all)/n-1])
	}
	return list
}

// quick are options of a short run in which everything is on: a warm-up, decay, clipping, repeats.
func quick() Options {
	return Options{
		Steps: 12, Batch: 8, Accumulate: 1,
		Optimizer: "adamw", LearningRate: 5e-3, FinalLearningRate: 1e-4, Schedule: "cosine", WarmUp: 3,
		Beta1: 0.9, Beta2: 0.95, WeightDecay: 0.1, Clip: 1,
		Loss: "answer", Repeats: map[string]int{"times": 2}, Seed: 7, Threads: 1,
	}
}

// small is a model that trains in no time.
func small(vocab int) model.Config {
	c := model.Calculator(vocab)
	c.Width, c.Layers, c.Heads, c.MLPWidth, c.EOS = 32, 1, 2, 64, 1
	return c
}

// newTrainer returns a trainer of a small model on a list of examples, with the tokenizer of the calculator.
func newTrainer(t testing.TB, list []examples.Example, o Options) *Trainer {
	t.Helper()
	words := calculatorWords(t)
	return newTrainerOf(t, small(words.VocabSize()), list, nil, o)
}

func newTrainerOf(t testing.TB, c model.Config, list, heldOut []examples.Example, o Options) *Trainer {
	t.Helper()
	m, err := model.New(c, o.Seed)
	if err != nil {
		t.Fatal(err)
	}
	words := calculatorWords(t)
	trainer, err := New(m, words, dataset(t, words, list, c.Context), dataset(t, words, heldOut, c.Context), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	return trainer
}

func calculatorWords(t testing.TB) *tokenizer.Word {
	t.Helper()
	words, err := tokenizer.NewWord(arithmetic.Words())
	if err != nil {
		t.Fatal(err)
	}
	return words
}

func dataset(t testing.TB, words tokenizer.Tokenizer, list []examples.Example, context int) *Dataset {
	t.Helper()
	d, err := NewDataset(words, list, context)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// dataOf are the examples that a trainer learns.
func dataOf(trainer *Trainer) *Dataset { return trainer.Train.(*Dataset) }

// steps takes n steps and returns their metrics.
func steps(t testing.TB, trainer *Trainer, n int) []Metrics {
	t.Helper()
	var list []Metrics
	for range n {
		m, err := trainer.Step()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, timeless(*m))
	}
	return list
}

// measured is the outcome of a step on some examples that does not move the weights.
func measured(t testing.TB, trainer *Trainer, batch []int, micro int, all bool) outcome {
	t.Helper()
	if err := trainer.engine.start(trainer.Train, job{batch: batch, micro: micro, all: all}); err != nil {
		t.Fatal(err)
	}
	o, err := trainer.engine.finish(make([]float64, len(trainer.Model.Stages)))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// gradientOf is the gradient of the last step.
func gradientOf(t testing.TB, trainer *Trainer) []float32 {
	t.Helper()
	g, err := trainer.engine.updater.gradient()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// timeless is a copy of metrics without what the clock says.
func timeless(m Metrics) Metrics {
	m.Blame = slices.Clone(m.Blame)
	m.Seconds, m.TokensPerSecond = 0, 0
	return m
}

// openFolder opens a run folder until the end of the test.
func openFolder(t testing.TB, dir string) *Folder {
	t.Helper()
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// contents are the files of a folder, but for the lock.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == ".lock" {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sameBits fails at the first element that differs in any bit.
func sameBits(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d is %g, want %g, bit for bit", what, i, got[i], want[i])
		}
	}
}

// distance is the norm of a-b, relative to that of b.
func distance(a, b []float32) float64 {
	var difference, norm float64
	for i := range b {
		d := float64(a[i]) - float64(b[i])
		difference += d * d
		norm += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(difference / norm)
}
