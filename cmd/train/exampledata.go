package main

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"trainer/internal/arithmetic"
	"trainer/internal/fault"
	"trainer/internal/format"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// exampleMaterial is examples, each a question with its answer.
type exampleMaterial struct {
	path             string // "" for the calculator
	words            iter.Seq[string]
	trained, heldOut []examples.Example
}

// newCalculator makes the word calculator's examples.
func newCalculator(a *arguments) *exampleMaterial {
	m := &exampleMaterial{words: slices.Values(arithmetic.Words())}
	m.trained, m.heldOut = examples.Split(examples.Calculator(), a.heldOut, a.splitSeed)
	return m
}

// newExamples reads examples from files.
func newExamples(a *arguments) (*exampleMaterial, error) {
	list, err := examples.Read(a.data)
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	m := &exampleMaterial{path: a.data, words: examples.Texts(list), trained: list}
	if a.evalData == "" {
		m.trained, m.heldOut = examples.Split(list, a.heldOut, a.splitSeed)
	} else if m.heldOut, err = examples.Read(a.evalData); err != nil {
		return nil, fmt.Errorf("-eval-data: %w", err)
	}
	return m, nil
}

func (m *exampleMaterial) title() string {
	if m.path == "" {
		return "The word calculator"
	}
	return "Training on " + m.path
}

func (m *exampleMaterial) about() []string {
	what := m.path
	if what == "" {
		what = "arithmetic over 0 to 99 in words"
	}
	return []string{fmt.Sprintf("%s: %s, to train on %s and hold out %s", what, count(len(m.trained)+len(m.heldOut), "example"),
		format.Thousands(len(m.trained)), format.Thousands(len(m.heldOut)))}
}

func (m *exampleMaterial) vocabulary() (tokenizer.Tokenizer, error) {
	return tokenizer.BuildWord(m.words)
}

func (m *exampleMaterial) encode(t tokenizer.Tokenizer, context int) (*lessons, error) {
	l := &lessons{context: context}
	if context == 0 {
		l.context = m.longest(t)
	}
	trained, err := train.NewDataset(t, m.trained, l.context)
	if err != nil {
		return nil, err
	}
	heldOut, err := train.NewDataset(t, m.heldOut, l.context)
	if err != nil {
		return nil, err
	}
	l.trained, l.heldOut, l.sample = trained, heldOut, trained
	return l, nil
}

// longest is the number of tokens of the longest example, rounded up to a multiple of 4.
func (m *exampleMaterial) longest(t tokenizer.Tokenizer) int {
	longest := 1
	for _, e := range slices.Concat(m.trained, m.heldOut) {
		if ids, err := t.Encode(e.Text()); err == nil { // what does not encode is reported with its line when datasets are made
			longest = max(longest, len(ids))
		}
	}
	return (longest + 3) / 4 * 4
}

// checkRepeats refuses an operation that no example is of: it is misspelt.
func (m *exampleMaterial) checkRepeats(repeats map[string]int) error {
	known := make(map[string]bool)
	for _, e := range m.trained {
		known[e.Operation] = true
	}
	for _, operation := range slices.Sorted(maps.Keys(repeats)) {
		if !known[operation] {
			return fault.Usagef("-repeat %s=%d: no example is of that operation: expected %s", operation, repeats[operation],
				strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}

// asked are the word calculator's questions.
var asked = []string{
	"two plus three equals",
	"forty seven plus thirty eight equals",
	"ninety one minus nineteen equals",
	"six times seven equals",
	"ninety nine plus ninety nine equals",
}

// questions are the calculator's, or as many examples of other data: held out ones, and trained ones where those are few.
func (m *exampleMaterial) questions() []question {
	var questions []question
	if m.path == "" {
		for _, text := range asked {
			questions = append(questions, find(text, m.heldOut, true)...)
			questions = append(questions, find(text, m.trained, false)...)
		}
		return questions
	}
	spread := func(list []examples.Example, heldOut bool) {
		n := min(len(asked)-len(questions), len(list))
		for i := range n {
			e := list[i*len(list)/n]
			questions = append(questions, question{e.Question, e.Answer, heldOut})
		}
	}
	spread(m.heldOut, true)
	spread(m.trained, false)
	return questions
}

func find(text string, list []examples.Example, heldOut bool) []question {
	for _, e := range list {
		if e.Question == text {
			return []question{{text, e.Answer, heldOut}}
		}
	}
	return nil
}

// sampling takes the likeliest word.
func (m *exampleMaterial) sampling() model.Sampling { return model.Sampling{TopP: 1} }
