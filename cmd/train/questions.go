package main

import (
	"trainer/model"
	"trainer/train/examples"
)

// question is asked before and after the training.
type question struct {
	text, expected string
	heldOut        bool // never trained on
}

// answer is what the model makes of a question.
type answer struct {
	question
	got   string
	right bool
	top   []word // likeliest first words of the answer
}

// word is a token with its probability.
type word struct {
	Text        string  `json:"token"`
	Probability float64 `json:"probability"`
}

// asked are the word calculator's questions.
var asked = []string{
	"two plus three equals",
	"forty seven plus thirty eight equals",
	"ninety one minus nineteen equals",
	"six times seven equals",
	"ninety nine plus ninety nine equals",
}

// chooseQuestions takes the calculator's questions, or as many examples of other data: held out ones, and trained ones where those are few.
func (s *session) chooseQuestions() []question {
	var questions []question
	if s.data == "" {
		for _, text := range asked {
			questions = append(questions, find(text, s.heldOut, true)...)
			questions = append(questions, find(text, s.trained, false)...)
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
	spread(s.heldOut, true)
	spread(s.trained, false)
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

// ask puts the questions to the model as it is.
func (s *session) ask() ([]answer, error) {
	var prompts [][]int32
	for _, q := range s.questions {
		ids, err := s.tokenizer.Encode(q.text)
		if err != nil {
			return nil, err
		}
		prompts = append(prompts, ids)
	}
	generated, err := s.trainer.Generator().Generate(prompts, model.Sampling{TopP: 1}, 3)
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
