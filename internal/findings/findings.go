// Package findings looks into a model: at one example on its way through it, and at what it has learned.
//
//	prompt -> Trace -> api.Trace: every stage's values, the prediction, the loss and who is to blame
//	model, examples -> Analyse -> Findings: attention, numbers, operations, output, and what each says of a claim
//
// The values come out of the compiled graph, by model.Executor.Trace, and a head is silenced in the weights of a copy: nothing of the forward
// pass is written a second time here.
//
// Start at Analyse for what is found out, at Trace for a single example.
package findings

import (
	"trainer/internal/arithmetic"
	"trainer/internal/device"
	"trainer/internal/floor/api"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train/examples"
)

// Subject is what is looked into.
type Subject struct {
	Model     *model.Model
	Tokenizer tokenizer.Tokenizer
	Step      int // of the weights
	Examples  []examples.Example
	Text      string // a passage to look at, where there are no examples
}

// Findings are what a model has learned, for JSON and by WriteTo for people. What does not apply to it is nil, with the reason in Skipped.
type Findings struct {
	Step       int         `json:"step"`
	Questions  int         `json:"questions"` // that were asked: an even choice of the examples
	Attention  *Attention  `json:"attention"`
	Numbers    *Numbers    `json:"numbers"`
	Neighbours []Neighbour `json:"neighbours,omitempty"` // of a text's tokens
	Operations *Operations `json:"operations"`
	Lens       *Lens       `json:"lens"`
	Claims     []Claim     `json:"claims"`
	Skipped    []Skipped   `json:"skipped,omitempty"`
}

// Claim is a sentence about what training does to such a model, with the number that tells whether this one bears it out.
type Claim struct {
	ID        string     `json:"id"`
	Claim     string     `json:"claim"`
	Measure   string     `json:"measure"`
	Value     api.Number `json:"value"`
	Threshold api.Number `json:"threshold"`
	Holds     bool       `json:"holds"` // Value reaches Threshold
	Says      string     `json:"says"`
}

// Skipped is something that does not apply to a model.
type Skipped struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Analyse finds out what a model has learned. It runs on one thread of the CPU, on a copy of the weights: a second for the calculator. Errors are
// of class data: examples that the tokenizer or the context cannot take.
func Analyse(s Subject) (*Findings, error) {
	b := device.OpenCPU(1, device.Precisions[0], device.Weights[0])
	defer b.Close()
	l, err := newLab(s, b)
	if err != nil {
		return nil, err
	}
	f := &Findings{Step: s.Step, Questions: len(l.questions)}
	for _, look := range []func(*Findings) error{l.attention, l.numbers, l.operations, l.lens} {
		if err := look(f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// claim adds a claim.
func (f *Findings) claim(c Claim) {
	c.Holds = c.Value >= c.Threshold
	f.Claims = append(f.Claims, c)
}

func (f *Findings) skip(what, why string) { f.Skipped = append(f.Skipped, Skipped{what, why}) }

// Calculates says whether a tokenizer has all words of the calculator, whose problems can then be asked.
func Calculates(t tokenizer.Tokenizer) bool {
	for _, word := range arithmetic.Words() {
		if _, ok := t.ID(word); !ok {
			return false
		}
	}
	return true
}
