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
	Name    string  `json:"name"`
	Peak    float64 `json:"peak_flops"` // operations a second of matrix products
	Used    float64 `json:"used"`       // share of it that training reaches
	Seconds float64 `json:"seconds"`    // to train
	note    string
}

// gpus are NVIDIA's figures for dense products in bfloat16, of their data sheets. A well tuned training reaches about 40 % of them.
var gpus = []machine{
	{Name: "NVIDIA RTX 4090", Peak: 165e12, Used: 0.4},
	{Name: "NVIDIA A100", Peak: 312e12, Used: 0.4},
	{Name: "NVIDIA H100", Peak: 989e12, Used: 0.4},
	{Name: "1,024 H100", Peak: 1024 * 989e12, Used: 0.4},
}

// leastStep is the least that a step is taken to last on a GPU, in seconds: starting its kernels takes time however small they are.
const leastStep = 50e-6

// estimation is what a training would take.
type estimation struct {
	Parameters    int         `json:"parameters"`
	Layers        int         `json:"layers"`
	Width         int         `json:"width"`
	Heads         int         `json:"heads"`
	VocabSize     int         `json:"vocabulary"`
	Context       int         `json:"context"`
	MicroBatch    int         `json:"micro_batch"` // sequences
	TokenFLOP     float64     `json:"flop_per_token"`
	Memory        memoryNeeds `json:"memory_bytes"`
	Steps         int         `json:"steps"`
	TokensPerStep int         `json:"tokens_per_step"`
	FLOP          float64     `json:"flop"`
	Machines      []machine   `json:"machines"`
}

// memoryNeeds is by kind, in bytes.
type memoryNeeds struct {
	Weights     int `json:"weights"`
	Gradients   int `json:"gradients"`
	Optimizer   int `json:"optimizer"`
	Activations int `json:"activations"`
	Together    int `json:"together"`
}

// estimate prints what a training would take, without training.
func (s *session) estimate(out io.Writer) error {
	e, err := s.newEstimation()
	if err != nil {
		return err
	}
	if s.json {
		(&jsonView{out: out}).print("estimate", fields{"preset": s.preset, "estimate": e})
		return nil
	}
	e.print(out)
	if note, ok := presetNotes[s.preset]; ok {
		fmt.Fprintf(out, "  %s\n", strings.Join(wrapped(note, 100), "\n  "))
	}
	return nil
}

func (s *session) newEstimation() (*estimation, error) {
	c, o := s.config, s.options
	var err error
	if c.VocabSize, err = s.vocabularySize(&c.Context); err != nil {
		return nil, err
	}
	c.Dropout = o.Dropout
	needs, err := c.Needs(model.Shape{Rows: o.Batch * c.Context, Sequences: o.Batch}, o.Recompute)
	if err != nil {
		return nil, err
	}
	weights := 4 * c.NumParameters()
	moments := 2 * weights
	if o.Optimizer == "sgd" {
		moments = 0
	}
	seen := (float64(c.Context) + 1) / 2 // by a token, itself included
	token := 3 * c.FLOP(1, 1, seen)
	if o.Recompute {
		token += c.RecomputeFLOP(1, 1, seen)
	}
	e := &estimation{
		Parameters: c.NumParameters(), Layers: c.Layers, Width: c.Width, Heads: c.Heads, VocabSize: c.VocabSize, Context: c.Context,
		MicroBatch: o.Batch, TokenFLOP: token,
		Memory: memoryNeeds{weights, needs.Gradients, moments, needs.Activations, weights + needs.Gradients + moments + needs.Activations},
		Steps:  o.Steps, TokensPerStep: o.Batch * o.Accumulate * c.Context,
	}
	e.FLOP = token * float64(e.TokensPerStep) * float64(e.Steps)
	kernels := device.Kernels(o.Precision)
	here := machine{Name: "this machine", Peak: peak.GEMM(o.Threads, kernels), Used: 0.5, note: ", " + cpu.Describe(kernels, o.Threads)}
	here.Seconds = e.FLOP / here.Peak / here.Used
	e.Machines = append(e.Machines, here)
	for _, m := range gpus {
		m.Seconds = e.FLOP / m.Peak / m.Used
		if least := leastStep * float64(e.Steps); m.Seconds < least {
			m.Seconds, m.note = least, ", but 50 µs a step"
		}
		e.Machines = append(e.Machines, m)
	}
	return e, nil
}

func (e *estimation) print(out io.Writer) {
	row := func(name, layout string, values ...any) {
		fmt.Fprintf(out, "  %-18s%s\n", name, fmt.Sprintf(layout, values...))
	}
	head := func(text string) { fmt.Fprintf(out, "\n%s\n", text) }

	head("The model")
	row("weights", "%s: %s layers of width %s, %s heads, %s tokens", format.Thousands(e.Parameters), format.Thousands(e.Layers),
		format.Thousands(e.Width), format.Thousands(e.Heads), format.Thousands(e.VocabSize))
	row("a token", "%s to train on; 6 for each weight would be %s", operations(e.TokenFLOP), operations(6*float64(e.Parameters)))

	head(fmt.Sprintf("Memory for a batch of %s of %s", count(e.MicroBatch, "sequence"), count(e.Context, "token")))
	row("weights", "%9s", format.Bytes(e.Memory.Weights))
	row("gradients", "%9s", format.Bytes(e.Memory.Gradients))
	row("optimizer", "%9s", format.Bytes(e.Memory.Optimizer))
	row("activations", "%9s", format.Bytes(e.Memory.Activations))
	row("together", "%9s", format.Bytes(e.Memory.Together))

	head(fmt.Sprintf("Time for %s of %s tokens", count(e.Steps, "step"), format.Thousands(e.TokensPerStep)))
	row("tokens", "%s", quantity(float64(e.TokensPerStep)*float64(e.Steps)))
	row("operations", "%s", operations(e.FLOP))
	for _, m := range e.Machines {
		row(m.Name, "%-14s at %.0f %% of %s a second%s", duration(m.Seconds), 100*m.Used, operations(m.Peak), m.note)
	}
	fmt.Fprint(out, "\n  What a machine reaches depends on the model; that of this machine is its products alone, measured just now.\n"+
		"  A step on a GPU is taken to last 50 µs at least, as starting its kernels takes time however small they are.\n")
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
		return plain(1000*seconds) + " ms"
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

// plain writes a number to two digits, without an exponent.
func plain(v float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64) // it is a number
	return strconv.FormatFloat(rounded, 'f', -1, 64)
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
