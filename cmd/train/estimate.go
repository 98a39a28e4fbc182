package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"trainer/internal/cpu"
	"trainer/internal/device"
	"trainer/internal/format"
	"trainer/internal/peak"
	"trainer/model"
	"trainer/tokenizer"
)

// machine is something that a model could be trained on.
type machine struct {
	name string
	peak float64 // operations a second of matrix products
	used float64 // share of it that training reaches
	note string
}

// gpus are NVIDIA's figures for dense products in bfloat16, of their data sheets. A well tuned training reaches about 40 % of them.
var gpus = []machine{
	{"NVIDIA RTX 4090", 165e12, 0.4, ""},
	{"NVIDIA A100", 312e12, 0.4, ""},
	{"NVIDIA H100", 989e12, 0.4, ""},
	{"1,024 H100", 1024 * 989e12, 0.4, ""},
}

// estimate prints what a training would take, without training.
func (s *session) estimate(out io.Writer) error {
	c, o := s.config, s.options
	var err error
	if c.VocabSize, err = s.vocabularySize(&c.Context); err != nil {
		return err
	}
	shape := model.Shape{Rows: o.Batch * c.Context, Sequences: o.Batch}
	needs, err := c.Needs(shape, o.Recompute)
	if err != nil {
		return err
	}
	row := func(name, layout string, values ...any) {
		fmt.Fprintf(out, "  %-18s%s\n", name, fmt.Sprintf(layout, values...))
	}
	head := func(text string) { fmt.Fprintf(out, "\n%s\n", text) }
	context := float64(c.Context)
	token := 3 * c.FLOP(1, 1, (context+1)/2)
	if o.Recompute {
		token += c.RecomputeFLOP(1, 1, (context+1)/2)
	}
	tokens := float64(o.Batch*o.Accumulate) * context

	head("The model")
	row("weights", "%s: %s layers of width %s, %s heads, %s tokens", format.Thousands(c.NumParameters()), format.Thousands(c.Layers),
		format.Thousands(c.Width), format.Thousands(c.Heads), format.Thousands(c.VocabSize))
	row("a token", "%s to train on; 6 for each weight would be %s", operations(token), operations(6*float64(c.NumParameters())))

	head(fmt.Sprintf("Memory for a batch of %s of %s", count(o.Batch, "sequence"), count(c.Context, "token")))
	weights := 4 * c.NumParameters()
	state := 2 * weights // moments
	if o.Optimizer == "sgd" {
		state = 0
	}
	for _, part := range []struct {
		name  string
		bytes int
	}{{"weights", weights}, {"gradients", needs.Gradients}, {"optimizer", state}, {"activations", needs.Activations},
		{"together", weights + needs.Gradients + state + needs.Activations}} {
		row(part.name, "%9s", format.Bytes(part.bytes))
	}

	total := token * tokens * float64(o.Steps)
	head(fmt.Sprintf("Time for %s of %s tokens", count(o.Steps, "step"), format.Thousands(int(tokens))))
	row("tokens", "%s", quantity(tokens*float64(o.Steps)))
	row("operations", "%s", operations(total))
	kernels := device.Kernels(o.Precision)
	here := machine{"this machine", peak.GEMM(o.Threads, kernels), 0.5, cpu.Describe(kernels, o.Threads)}
	for _, m := range append([]machine{here}, gpus...) {
		row(m.name, "%-14s at %.0f %% of %s a second%s", duration(total/m.peak/m.used), 100*m.used, operations(m.peak), withComma(m.note))
	}
	fmt.Fprint(out, "\n  What a machine reaches depends on the model; that of this machine is its products alone, measured just now.\n")
	if note, ok := presetNotes[s.preset]; ok {
		fmt.Fprintf(out, "  %s\n", strings.Join(wrapped(note, 100), "\n  "))
	}
	return nil
}

// vocabularySize is that of the tokenizer which -tokenizer asks for, as far as it is known without much data. Examples that are named by -data
// are read, and their context is what they need.
func (s *session) vocabularySize(context *int) (int, error) {
	const calculator, shakespeare, bytes = 35, 65, 258
	if s.base != nil {
		return s.base.Config.VocabSize, nil
	}
	if _, size, ok := strings.Cut(s.arguments.tokenizer, ":"); ok {
		if n, err := strconv.Atoi(size); err == nil {
			return n, nil
		}
	}
	switch s.arguments.tokenizer {
	case charTokenizer:
		return shakespeare, nil
	case "bytes":
		return bytes, nil
	case autoTokenizer:
		if s.corpus != noCorpus {
			return defaultBPE, nil
		}
		if s.data == "" {
			return calculator, nil
		}
		return s.examplesVocabulary(context)
	}
	t, err := tokenizer.Load(s.arguments.tokenizer)
	if err != nil {
		return 0, fmt.Errorf("-tokenizer: %w", err)
	}
	return t.VocabSize(), nil
}

// examplesVocabulary reads the data, and returns the size of its vocabulary.
func (s *session) examplesVocabulary(context *int) (int, error) {
	material, err := s.readMaterial()
	if err != nil {
		return 0, err
	}
	t, err := material.vocabulary()
	if err != nil {
		return 0, err
	}
	if e, ok := material.(*exampleMaterial); ok && !s.flags.Given("context") {
		*context = e.longest(t)
	}
	return t.VocabSize(), nil
}

func withComma(note string) string {
	if note == "" {
		return ""
	}
	return ", " + note
}

// quantity writes a large number in words: 300 billion.
func quantity(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "trillion"}, {1e9, "billion"}, {1e6, "million"}} {
		if v >= unit.size {
			return fmt.Sprintf("%.3g %s", v/unit.size, unit.name)
		}
	}
	return format.Thousands(int(v))
}

// operations writes a number of floating-point operations with its prefix: 989 TFLOP.
func operations(v float64) string {
	prefixes := []string{"", "k", "M", "G", "T", "P", "E", "Z", "Y"}
	i := 0
	for ; v >= 1000 && i < len(prefixes)-1; i++ {
		v /= 1000
	}
	return fmt.Sprintf("%.3g %sFLOP", v, prefixes[i])
}

// duration writes seconds in a unit that a person plans by.
func duration(seconds float64) string {
	const minute, hour, day, year = 60, 3600, 86400, 365.25 * 86400
	switch {
	case seconds < 1:
		return fmt.Sprintf("%.2g ms", 1000*seconds)
	case seconds < minute:
		return fmt.Sprintf("%.2g seconds", seconds)
	case seconds < hour:
		return (time.Duration(seconds) * time.Second).Round(time.Second).String()
	case seconds < 2*day:
		return fmt.Sprintf("%.3g hours", seconds/hour)
	case seconds < 2*year:
		return fmt.Sprintf("%.3g days", seconds/day)
	}
	return quantityOfYears(seconds / year)
}

func quantityOfYears(years float64) string {
	if years >= 1e6 {
		return quantity(years) + " years"
	}
	if years >= 100 {
		return format.Thousands(int(years)) + " years"
	}
	return fmt.Sprintf("%.3g years", years)
}
