package train

import (
	"trainer/internal/fault"
	"trainer/model"
	"trainer/tokenizer"
)

// LoadModel loads a model with its tokenizer from a run folder, or from another in the layout of Hugging Face transformers. Errors are data
// faults, one that the two are not of one model among them.
func LoadModel(dir string) (*model.Model, tokenizer.Tokenizer, error) {
	m, err := model.Load(dir)
	if err != nil {
		return nil, nil, err
	}
	t, err := tokenizer.Load(dir)
	if err != nil {
		return nil, nil, err
	}
	if c := m.Config; t.VocabSize() != c.VocabSize || int(t.EOS()) != c.EOS {
		return nil, nil, fault.Dataf("%s: the tokenizer has %d tokens and ends a text by token %d, but %s says %d and %d: the files are not of one model",
			dir, t.VocabSize(), t.EOS(), model.ConfigFile, c.VocabSize, c.EOS)
	}
	return m, t, nil
}
