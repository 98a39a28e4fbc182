package model

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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
func (m *Model) WriteWeights(w io.Writer) error { return m.WriteWeightsAs(w, safetensors.F32) }

// WriteWeightsAs is WriteWeights in another type, F16 or BF16, to which weights are rounded. One that the type cannot hold is an error.
func (m *Model) WriteWeightsAs(w io.Writer, dtype safetensors.DType) error {
	var tensors []safetensors.Tensor
	for _, t := range m.Tensors() {
		if at := slices.IndexFunc(t.Value, dtype.Overflows); at >= 0 {
			return fmt.Errorf("element %d of %s is %g: %s cannot hold it: expected %s", at, t.Name, t.Value[at], dtype, safetensors.F32)
		}
		tensors = append(tensors, safetensors.NewAs(dtype, t.Name, t.Value, t.Shape...))
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
	for _, t := range m.Tensors() {
		if err := read(t.Name, t.Value, t.Shape...); err != nil {
			return err
		}
	}
	if err := m.checkTiedHead(f, path, known); err != nil {
		return err
	}
	for _, t := range f.Tensors() {
		if !known[t.Name] && !isBuffer(t.Name) {
			return fault.Dataf("%s: tensor %s is not part of the model that %s describes", path, t.Name, ConfigFile)
		}
	}
	return nil
}

// checkTiedHead accepts a head that a file has although it is tied, as a copy of the token embeddings.
func (m *Model) checkTiedHead(f *safetensors.File, path string, known map[string]bool) error {
	name, embedding := m.Config.variant().head+".weight", &m.Parameters[0]
	if !m.Config.TiedHead || !has(f, name) {
		return nil
	}
	known[name] = true
	head := make([]float32, embedding.Size())
	if err := safetensors.Read(f, name, head, embedding.Shape...); err != nil {
		return err
	}
	for i, v := range head {
		if v != embedding.Value[i] {
			return fault.Dataf("%s: element %d of %s is %g, but of %s %g: expected a copy, since %s has tie_word_embeddings true",
				path, i, name, v, embedding.Name, embedding.Value[i], ConfigFile)
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
