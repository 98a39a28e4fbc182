package model

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"trainer/internal/fault"
	"trainer/internal/safetensors"
)

// The names of a model's files in its folder.
const (
	ConfigFile  = "config.json"
	WeightsFile = "model.safetensors"
)

// WriteWeights writes the weights as Hugging Face saves those of a GPT2LMHeadModel or a LlamaForCausalLM: float32, the tied head left out.
func (m *Model) WriteWeights(w io.Writer) error {
	var tensors []safetensors.Tensor
	for i := range m.Parameters {
		for _, t := range m.Parameters[i].tensors() {
			tensors = append(tensors, safetensors.New(t.name, t.value, t.shape...))
		}
	}
	if m.fixed != nil {
		tensors = append(tensors, safetensors.New(wpe, m.fixed, m.Config.Context, m.Config.Width))
	}
	return safetensors.Write(w, tensors, map[string]string{"format": "pt"})
}

// Load reads config.json and model.safetensors of a folder. Errors are data faults that name the file and what is wrong with it: weights
// that are missing, have another shape than the configuration says, are too many, or are not finite.
func Load(dir string) (*Model, error) {
	path := filepath.Join(dir, ConfigFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Dataf("%w: expected the folder of a trained model", err)
	}
	c, err := ParseConfig(data, path)
	if err != nil {
		return nil, err
	}
	m, err := build(c)
	if err != nil {
		return nil, fault.Dataf("%s: %w", path, err)
	}
	if err := m.readWeights(filepath.Join(dir, WeightsFile)); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Model) readWeights(path string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	known, prefix := make(map[string]bool), m.Config.variant().prefix
	read := func(name string, value []float32, shape ...int) error {
		// Files of OpenAI's GPT-2 on the Hub lack the prefix.
		if short := strings.TrimPrefix(name, prefix); !has(f, name) && has(f, short) {
			name = short
		}
		known[name] = true
		if err := safetensors.Read(f, name, value, shape...); err != nil {
			return err
		}
		if at := IndexNonFinite(value); at >= 0 {
			return fault.Dataf("%s: element %d of %s is %g: expected finite weights", path, at, name, value[at])
		}
		return nil
	}
	for i := range m.Parameters {
		for _, t := range m.Parameters[i].tensors() {
			if err := read(t.name, t.value, t.shape...); err != nil {
				return err
			}
		}
	}
	if m.fixed != nil {
		if err := read(wpe, m.fixed, m.Config.Context, m.Config.Width); err != nil {
			return err
		}
	}
	for _, t := range f.Tensors() {
		if !known[t.Name] && !isBuffer(t.Name) {
			return fault.Dataf("%s: tensor %s is not part of the model that %s describes", path, t.Name, ConfigFile)
		}
	}
	return nil
}

func has(f *safetensors.File, name string) bool {
	_, ok := f.Lookup(name)
	return ok
}

// isBuffer recognises the causal masks that old versions of transformers stored with GPT-2, and the frequencies with Llama.
func isBuffer(name string) bool {
	for _, suffix := range []string{".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
