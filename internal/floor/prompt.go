package floor

import (
	"net/http"

	"trainer/internal/findings"
	"trainer/internal/floor/api"
	"trainer/model"
	"trainer/tokenizer"
)

// encode turns a question into tokens, or refuses it.
func encode(t tokenizer.Tokenizer, c model.Config, q Question) (*findings.Prompt, error) {
	ids, err := t.Encode(q.Text)
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "%v", err)
	case len(ids) == 0 || len(ids) > c.Context:
		return nil, refuse(http.StatusBadRequest, "the question has %d tokens: expected 1 to %d, the context of the model", len(ids), c.Context)
	case q.Target == "":
		return &findings.Prompt{Text: q.Text, IDs: ids}, nil
	}
	target, err := t.Encode(q.Target)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "target: %v", err)
	}
	if len(target) == 0 {
		return nil, refuse(http.StatusBadRequest, "target %q is no token", q.Target)
	}
	return &findings.Prompt{Text: q.Text, IDs: ids, Target: &api.Token{ID: target[0], Text: t.Token(target[0])}}, nil
}
