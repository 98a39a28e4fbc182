package floor

import (
	"net/http"

	"trainer/internal/floor/api"
	"trainer/model"
	"trainer/tokenizer"
)

// prompt is a question in tokens.
type prompt struct {
	text   string
	ids    []int32
	target *api.Token // the right one behind it, nil where that is not known
}

// encode turns a question into tokens, or refuses it.
func encode(t tokenizer.Tokenizer, c model.Config, q Question) (*prompt, error) {
	ids, err := t.Encode(q.Text)
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "%v", err)
	case len(ids) == 0 || len(ids) > c.Context:
		return nil, refuse(http.StatusBadRequest, "the question has %d tokens: expected 1 to %d, the context of the model", len(ids), c.Context)
	case q.Target == "":
		return &prompt{q.Text, ids, nil}, nil
	}
	target, err := t.Encode(q.Target)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "target: %v", err)
	}
	if len(target) == 0 {
		return nil, refuse(http.StatusBadRequest, "target %q is no token", q.Target)
	}
	return &prompt{q.Text, ids, &api.Token{ID: target[0], Text: t.Token(target[0])}}, nil
}

// look follows a question through a model.
func look(g *model.Generator, t tokenizer.Tokenizer, c model.Config, p *prompt, step int) (*api.Trace, error) {
	const best = 5
	choices, err := g.Generate([][]int32{p.ids}, model.Sampling{TopP: 1, MaxTokens: 16}, best)
	if err != nil {
		return nil, err
	}
	trace := &api.Trace{Step: step, Text: p.text, Target: p.target, AnswerFrom: len(p.ids) - 1, Width: c.Width}
	for _, id := range p.ids {
		trace.Tokens = append(trace.Tokens, api.Token{ID: id, Text: t.Token(id)})
	}
	trace.Logits.Row = len(p.ids) - 1
	for _, candidate := range choices[0][0].Top {
		trace.Logits.Top = append(trace.Logits.Top, api.Logit{Token: api.Token{ID: candidate.Token, Text: t.Token(candidate.Token)},
			Probability: api.Number(candidate.Probability)})
	}
	for _, c := range choices[0] {
		trace.Answer = append(trace.Answer, api.AnswerWord{Text: t.Token(c.Token), Probability: api.Number(c.Probability)})
	}
	return trace, nil
}
