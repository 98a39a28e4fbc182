package train

import (
	"io"

	"trainer/internal/atomicfile"
	"trainer/internal/fault"
	"trainer/internal/safetensors"
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

// SaveModel writes a model with its tokenizer to an existing folder, from which LoadModel and transformers load them. Weights are of the type F32,
// F16 or BF16. The error says which file could not be written, or which weight the type cannot hold.
func SaveModel(dir string, m *model.Model, t tokenizer.Tokenizer, dtype safetensors.DType) error {
	g, err := atomicfile.Begin(dir)
	if err != nil {
		return err
	}
	defer g.Abort()
	contents := modelContents(m, t, dtype)
	for _, name := range modelFiles {
		if err := g.Write(name, contents[name]); err != nil {
			return err
		}
	}
	return g.Commit()
}

// modelFiles are the files of a model with its tokenizer, in the order in which they are written.
var modelFiles = []string{model.WeightsFile, model.ConfigFile, tokenizer.FileName, tokenizer.ConfigFileName}

// modelContents writes the content of each of them.
func modelContents(m *model.Model, t tokenizer.Tokenizer, dtype safetensors.DType) map[string]func(io.Writer) error {
	text := func(data []byte) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		}
	}
	return map[string]func(io.Writer) error{
		model.WeightsFile:        func(w io.Writer) error { return m.WriteWeightsAs(w, dtype) },
		model.ConfigFile:         text(m.Config.Marshal()),
		tokenizer.FileName:       text(t.JSON()),
		tokenizer.ConfigFileName: text(tokenizer.ConfigJSON(t, m.Config.Context)),
	}
}
