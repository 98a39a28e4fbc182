// Package examples reads training data: questions with the answers that a model shall learn. Text comes in, one example a
// line (Read, Parse) or the built-in arithmetic (Calculator); Split sets some questions aside for evaluation; Encode turns
// the rest into the token ids that training runs on.
//
// Start at Example for what a line holds and at Parse for what a file may hold.
package examples

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"trainer/internal/arithmetic"
)

// Other is the Operation of a question without an arithmetic word.
const Other = "other"

// Example is a question with its answer. Both are words with single spaces between.
type Example struct {
	Question  string // up to and with "equals"
	Answer    string
	Operation string // "plus", "minus", "times" or Other: the group in which accuracy is counted
	Source    string // the file that holds the example, for messages
	Line      int    // in Source, from 1
}

// Text returns the example as it stands in a file.
func (e Example) Text() string { return e.Question + " " + e.Answer }

// at returns the place of the example, "data.txt:17".
func (e Example) at() string { return fmt.Sprintf("%s:%d", e.Source, e.Line) }

// Texts yields the text of each example: what a vocabulary is built from.
func Texts(examples []Example) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, e := range examples {
			if !yield(e.Text()) {
				return
			}
		}
	}
}

// Calculator returns all problems of package arithmetic as examples, in their order.
func Calculator() []Example {
	var list []Example
	for i, p := range arithmetic.Problems() {
		list = append(list, Example{p.Question(), p.Answer(), string(p.Op), "calculator", i + 1})
	}
	return list
}

// operation returns the first word of a question that names an arithmetic operation, or Other.
func operation(question []string) string {
	for _, word := range question {
		if slices.Contains(arithmetic.Operations(), arithmetic.Operation(word)) {
			return word
		}
	}
	return Other
}

// parseLine splits a line at its last "equals".
func parseLine(line string) (Example, error) {
	words := strings.Fields(line)
	at := len(words) - 1
	for at >= 0 && words[at] != arithmetic.Equals {
		at--
	}
	switch {
	case at < 0:
		return Example{}, fmt.Errorf(`no "equals" in %q: expected a question, "equals" and the answer, as in %q`, shorten(line), sample)
	case at == 0:
		return Example{}, fmt.Errorf(`no question before "equals" in %q: expected a line such as %q`, shorten(line), sample)
	case at == len(words)-1:
		return Example{}, fmt.Errorf(`no answer after "equals" in %q: expected a line such as %q`, shorten(line), sample)
	}
	question, answer := words[:at+1], words[at+1:]
	return Example{
		Question:  strings.Join(question, " "),
		Answer:    strings.Join(answer, " "),
		Operation: operation(question),
	}, nil
}

// sample is the line that error messages give as an example.
const sample = "two plus three equals five"

// shorten cuts a text to what fits into a message.
func shorten(text string) string {
	const shown = 60
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > shown {
		return string(runes[:shown]) + "…"
	}
	return text
}
