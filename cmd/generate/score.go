package main

import (
	"cmp"
	"slices"

	"trainer/model"
	"trainer/train/examples"
)

// score says how many examples of a file a model answers exactly: greedily, word for word, the end token included.
type score struct {
	file        string
	total       tally
	byOperation []tally // by name
	wrong       []mistake
}

// tally counts right answers.
type tally struct {
	operation    string
	right, total int
}

// exactMatch is the share of right answers, 0 to 1.
func (t tally) exactMatch() float64 { return float64(t.right) / float64(t.total) }

// mistake is an example with another answer than the right one.
type mistake struct {
	Question string `json:"question"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// score asks the questions of a file of examples. Errors of the file, of class data, name the line.
func (a *asker) score(path string) (*score, error) {
	list, err := examples.Read(path)
	if err != nil {
		return nil, err
	}
	encoded, err := examples.EncodeAll(a.tokenizer, list, a.model.Config.Context)
	if err != nil {
		return nil, err
	}
	questions := make([][]int32, len(list))
	for i, e := range encoded {
		questions[i] = e.IDs[:e.AnswerStart]
	}
	answers, err := a.generator.Generate(questions, model.Sampling{TopP: 1}, 0)
	if err != nil {
		return nil, err
	}
	s := &score{file: path}
	for i, e := range list {
		expected := encoded[i].IDs[encoded[i].AnswerStart:]
		right := slices.EqualFunc(answers[i], expected, func(c model.Choice, id int32) bool { return c.Token == id })
		s.count(e.Operation, right)
		if !right {
			s.wrong = append(s.wrong, mistake{e.Question, e.Answer, a.text(answers[i])})
		}
	}
	slices.SortFunc(s.byOperation, func(a, b tally) int { return cmp.Compare(a.operation, b.operation) })
	return s, nil
}

func (s *score) count(operation string, right bool) {
	k := slices.IndexFunc(s.byOperation, func(t tally) bool { return t.operation == operation })
	if k < 0 {
		k = len(s.byOperation)
		s.byOperation = append(s.byOperation, tally{operation: operation})
	}
	for _, t := range []*tally{&s.byOperation[k], &s.total} {
		t.total++
		if right {
			t.right++
		}
	}
}
