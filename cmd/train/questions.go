package main

import (
	"strings"

	"trainer/model"
)

// question is asked before and after the training.
type question struct {
	text, expected string // nothing is expected of a text
	heldOut        bool   // never trained on
}

// answer is what the model makes of a question.
type answer struct {
	question
	got   string
	right bool
	top   []word // likeliest first words of the answer
}

// graded says that there is a right answer.
func (q question) graded() bool { return q.expected != "" }

// word is a token with its probability.
type word struct {
	Text        string  `json:"token"`
	Probability float64 `json:"probability"`
}

// ask puts the questions to the model as it is.
func (s *session) ask() ([]answer, error) {
	var prompts [][]int32
	for _, q := range s.questions {
		ids, err := s.tokenizer.Encode(q.text)
		if err != nil {
			return nil, err
		}
		prompts = append(prompts, ids[max(0, len(ids)-s.config.Context):])
	}
	generated, err := s.trainer.Generator().Generate(prompts, s.material.sampling(), 3)
	if err != nil {
		return nil, err
	}
	answers := make([]answer, len(prompts))
	for i, choices := range generated {
		a := answer{question: s.questions[i], top: s.words(choices[0].Top)}
		var ids []int32
		for _, c := range choices {
			ids = append(ids, c.Token)
		}
		a.got = s.tokenizer.Decode(ids)
		if a.graded() {
			a.got = strings.TrimPrefix(a.got, " ") // which stands between question and answer
		}
		a.right = a.got == a.expected && ids[len(ids)-1] == s.tokenizer.EOS()
		answers[i] = a
	}
	return answers, nil
}

func (s *session) words(candidates []model.Candidate) []word {
	var words []word
	for _, c := range candidates {
		words = append(words, word{s.tokenizer.Token(c.Token), c.Probability})
	}
	return words
}
