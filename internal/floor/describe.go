package floor

import (
	"trainer/internal/arithmetic"
	"trainer/internal/floor/api"
	"trainer/model"
	"trainer/tokenizer"
)

// architectures are the names of architectures in texts.
var architectures = map[model.Architecture]string{model.GPT2: "GPT-2", model.Llama: "Llama"}

// describe says what a model is.
func describe(m *model.Model, t tokenizer.Tokenizer) api.Run {
	c := m.Config
	r := api.Run{
		Architecture: architectures[c.Architecture],
		Config: api.Config{Layers: c.Layers, Heads: c.Heads, KVHeads: c.Heads, Width: c.Width, Context: c.Context, VocabSize: c.VocabSize,
			Positions: string(c.Positions), Parameters: c.NumParameters()},
		QuestionEnds: questionEnds(t),
	}
	if c.KVHeads > 0 {
		r.Config.KVHeads = c.KVHeads
	}
	for _, s := range m.Stages {
		r.Stages = append(r.Stages, api.Stage{Name: s.Name, Weights: s.Weights})
	}
	return r
}

// questionEnds is the word that ends a question, where the model has learned to answer those.
func questionEnds(t tokenizer.Tokenizer) string {
	_, words := t.(*tokenizer.Word)
	if _, known := t.ID(arithmetic.Equals); words && known {
		return arithmetic.Equals
	}
	return ""
}
