package floor

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"trainer/internal/findings"
	"trainer/internal/floor/api"
	"trainer/tokenizer"
)

// answers are the right answers to the questions of a run's examples, which are read when the first one is asked for.
type answers struct {
	mutex sync.Mutex
	list  map[string]string // by question; nil before they are read
}

// completed returns a question with the right answer to it, where it comes with none and the run's examples have it.
func (s *shelf) completed(q Question, t tokenizer.Tokenizer) Question {
	if q.Target != "" || questionEnds(t) == "" {
		return q
	}
	q.Target = s.known(t)[strings.Join(strings.Fields(q.Text), " ")]
	return q
}

// known are the answers. Before the first checkpoint of a run, which tells what its data is, they are not kept.
func (s *shelf) known(t tokenizer.Tokenizer) map[string]string {
	s.answers.mutex.Lock()
	defer s.answers.mutex.Unlock()
	if s.answers.list != nil {
		return s.answers.list
	}
	saved := s.saved()
	examples, _ := s.examples(t) // without its data, a run's questions are shown without answers
	list := make(map[string]string, len(examples))
	for _, e := range examples {
		list[e.Question] = e.Answer
	}
	if saved {
		s.answers.list = list
	}
	return list
}

// example is what a run shows by itself when nobody trains it: of a text its first words, with the one that follows; else a question, the first
// of some whose answer is known, if there is one.
func (s *shelf) example(ctx context.Context, questions []string) (*api.Trace, error) {
	var trace *api.Trace
	err := s.with(ctx, Now, func(o *opened) error {
		p := s.passage(o)
		for i := 0; p == nil && i < len(questions); i++ {
			q := s.completed(Question{Text: questions[i], Step: Now}, o.tokenizer)
			if q.Target != "" {
				p, _ = encode(o.tokenizer, o.model.Config, q)
			}
		}
		if p == nil {
			if len(questions) == 0 {
				return refuse(http.StatusNotFound, "the run has no question of its own: ask one")
			}
			var err error
			if p, err = encode(o.tokenizer, o.model.Config, Question{Text: questions[0]}); err != nil {
				return err
			}
		}
		var err error
		trace, err = s.follow(o, p)
		return err
	})
	return trace, err
}

// passage is the beginning of the text that a model was trained on, with the token that comes next, nil where there is none to be read.
func (s *shelf) passage(o *opened) *findings.Prompt {
	const tokens = 12 // as many as are told apart at a glance
	path := s.data()
	if questionEnds(o.tokenizer) != "" || path == "" {
		return nil
	}
	text, err := beginning(path)
	if err != nil {
		return nil
	}
	ids, err := o.tokenizer.Encode(text)
	if err != nil || len(ids) < 2 {
		return nil
	}
	n := min(tokens, len(ids)-1, o.model.Config.Context)
	target := ids[n]
	return &findings.Prompt{Text: o.tokenizer.Decode(ids[:n]), IDs: ids[:n], Target: &api.Token{ID: target, Text: o.tokenizer.Token(target)}}
}
