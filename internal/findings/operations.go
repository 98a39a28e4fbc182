package findings

import (
	"fmt"
	"slices"
	"strings"

	"trainer/internal/floor/api"
	"trainer/train/examples"
)

// Operations are what the model does with the same numbers by the word between them, and which heads that takes.
type Operations struct {
	Accuracy []Accuracy `json:"accuracy"`
	Same     int        `json:"same"`              // groups of questions that differ in the operation alone
	AllRight api.Number `json:"all_right"`         // share of the groups that are answered right under every operation
	Swaps    []Swap     `json:"swaps"`             // of the operation's word
	Whole    api.Number `json:"whole"`             // share of all answers that are right
	Silenced []Without  `json:"silenced"`          // and with each head silenced
	Unasked  string     `json:"unasked,omitempty"` // why no head was silenced
}

// Accuracy is how many answers are right.
type Accuracy struct {
	Operation string     `json:"operation"`
	Questions int        `json:"questions"`
	Right     api.Number `json:"right"` // share
}

// Swap is what becomes of answers when one operation's word takes the place of another's.
type Swap struct {
	From      string     `json:"from"`
	To        string     `json:"to"`
	Questions int        `json:"questions"` // whose answers differ
	New       api.Number `json:"new"`       // share that is answered as the new word asks
	Old       api.Number `json:"old"`       // share that is answered as if nothing had changed
}

// Without is the share of answers that are right with one head silenced.
type Without struct {
	Layer int        `json:"layer"` // from 1
	Head  int        `json:"head"`
	Right api.Number `json:"right"`
}

const (
	operationsThreshold = 0.5 // of the groups are right under every operation
	maxSilenced         = 64  // heads that are silenced: each asks all questions again
)

func (l *lab) operations(f *Findings) error {
	if len(l.questions) == 0 {
		f.skip("operations", "the model continues texts, it answers no questions")
		return nil
	}
	o := &Operations{}
	answers, err := right(l.executor, l.questions)
	if err != nil {
		return err
	}
	o.Whole = api.Number(share(answers))
	for at := 0; at < len(answers); { // questions of an operation are neighbours
		end := at
		for end < len(answers) && l.questions[end].Operation == l.questions[at].Operation {
			end++
		}
		o.Accuracy = append(o.Accuracy, Accuracy{l.questions[at].Operation, end - at, api.Number(share(answers[at:end]))})
		at = end
	}
	if err := l.silence(o); err != nil {
		return err
	}
	f.Operations = o
	groups := sameNumbers(l.Examples)
	if len(groups) == 0 {
		f.skip("the same numbers under several operations", "no two questions differ in nothing but plus, minus or times")
		return nil
	}
	if err := l.swap(o, evenly(groups, maxQuestions)); err != nil {
		return err
	}
	f.claim(o.claim())
	return nil
}

// silence asks all questions without each head.
func (l *lab) silence(o *Operations) error {
	c := l.Model.Config
	if n := c.Layers * c.Heads; n > maxSilenced {
		o.Unasked = fmt.Sprintf("the model has %d heads, and up to %d are silenced one after the other", n, maxSilenced)
		return nil
	}
	for layer := range c.Layers {
		for head := range c.Heads {
			restore := l.copy.SilenceHead(layer, head)
			answers, err := right(l.changed, l.questions)
			restore()
			if err != nil {
				return err
			}
			o.Silenced = append(o.Silenced, Without{layer + 1, head + 1, api.Number(share(answers))})
		}
	}
	return nil
}

// sameNumbers are groups of questions that differ in the operation alone, those of the most operations.
func sameNumbers(list []examples.Example) [][]examples.Example {
	groups := make(map[string][]examples.Example)
	var order []string
	for _, e := range list {
		if e.Operation == examples.Other {
			continue
		}
		key := swapped(e.Question, e.Operation, "·")
		if groups[key] == nil {
			order = append(order, key)
		}
		if !slices.ContainsFunc(groups[key], func(o examples.Example) bool { return o.Operation == e.Operation }) {
			groups[key] = append(groups[key], e)
		}
	}
	most := 2
	for _, g := range groups {
		most = max(most, len(g))
	}
	var chosen [][]examples.Example
	for _, key := range order {
		if len(groups[key]) == most {
			chosen = append(chosen, groups[key])
		}
	}
	return chosen
}

// swapped puts another word in the place of the first that is the operation's.
func swapped(question, operation, other string) string {
	words := strings.Fields(question)
	words[slices.Index(words, operation)] = other
	return strings.Join(words, " ")
}

// swap asks the questions of groups, and each again for the answer of the others of its group.
func (l *lab) swap(o *Operations, groups [][]examples.Example) error {
	var asked, unchanged []examples.Example
	for _, g := range groups {
		for _, to := range g {
			asked = append(asked, to)
			for _, from := range g {
				if from.Answer != to.Answer {
					old := to
					old.Answer = from.Answer
					unchanged = append(unchanged, old)
				}
			}
		}
	}
	answered, err := l.ask(asked)
	if err != nil {
		return err
	}
	kept, err := l.ask(unchanged)
	if err != nil {
		return err
	}
	o.Same = len(groups)
	for _, g := range groups {
		size := len(g)
		if !slices.Contains(answered[:size], false) {
			o.AllRight += api.Number(1 / float64(len(groups)))
		}
		for i, to := range g {
			for _, from := range g {
				if from.Answer == to.Answer {
					continue
				}
				s := o.swapOf(from.Operation, to.Operation)
				s.Questions++
				s.New += number(answered[i])
				s.Old += number(kept[0])
				kept = kept[1:]
			}
		}
		answered = answered[size:]
	}
	for i := range o.Swaps {
		s := &o.Swaps[i]
		s.New /= api.Number(s.Questions)
		s.Old /= api.Number(s.Questions)
	}
	return nil
}

// ask tells which examples the model answers as they say.
func (l *lab) ask(list []examples.Example) ([]bool, error) {
	questions, err := l.encode(list)
	if err != nil {
		return nil, err
	}
	return right(l.executor, questions)
}

func (o *Operations) swapOf(from, to string) *Swap {
	for i := range o.Swaps {
		if s := &o.Swaps[i]; s.From == from && s.To == to {
			return s
		}
	}
	o.Swaps = append(o.Swaps, Swap{From: from, To: to})
	return &o.Swaps[len(o.Swaps)-1]
}

func number(ok bool) api.Number {
	if ok {
		return 1
	}
	return 0
}

// claim tells whether the word decides.
func (o *Operations) claim() Claim {
	var worst *Swap
	for i := range o.Swaps {
		if s := &o.Swaps[i]; worst == nil || s.Old > worst.Old {
			worst = s
		}
	}
	says := fmt.Sprintf("Of %d pairs of numbers, %s are answered right under every operation.", o.Same, percent(o.AllRight))
	if worst != nil {
		says += fmt.Sprintf(" With %s in the place of %s, %s of the answers are those that the new word asks for, and %s stay as they were: "+
			"no other swap leaves more.", worst.To, worst.From, percent(worst.New), percent(worst.Old))
	}
	if w, ok := o.worst(); ok {
		says += fmt.Sprintf(" Without head %d.%d %s of all answers are right instead of %s: it matters the most.",
			w.Layer, w.Head, percent(w.Right), percent(o.Whole))
	}
	return Claim{
		ID: "operations", Claim: "The word of the operation decides what is done with the numbers.",
		Measure: "Share of pairs of numbers for which the model answers right under each of the operations that its examples have of them.",
		Value:   o.AllRight, Threshold: operationsThreshold, Says: says,
	}
}

// worst is the head without which the fewest answers are right.
func (o *Operations) worst() (Without, bool) {
	if len(o.Silenced) == 0 {
		return Without{}, false
	}
	return slices.MinFunc(o.Silenced, func(a, b Without) int {
		switch {
		case a.Right < b.Right:
			return -1
		case a.Right > b.Right:
			return 1
		}
		return 0
	}), true
}
