// Package export writes a trained model with its tokenizer as one GGUF file, which llama.cpp runs.
//
//	model.Model, tokenizer.Tokenizer -> metadata and tensors under llama.cpp's names -> gguf.Write
//
// Start at GGUF. gpt2.go and llama.go know what llama.cpp calls the parts of these models, vocabulary.go how it wants a tokenizer.
package export

import (
	"fmt"
	"io"
	"strings"

	"trainer/internal/fault"
	"trainer/internal/gguf"
	"trainer/model"
	"trainer/tokenizer"
)

// Types are the names of the types that matrices can have in the file, the default first.
var Types = []string{gguf.F32.String(), gguf.F16.String(), gguf.BF16.String(), gguf.Q80.String()}

// fileTypes are the types by name, and llama.cpp's number for a file that is mostly of it.
var fileTypes = map[string]struct {
	matrices gguf.Type
	number   uint32
}{
	gguf.F32.String(): {gguf.F32, 0}, gguf.F16.String(): {gguf.F16, 1}, gguf.Q80.String(): {gguf.Q80, 7}, gguf.BF16.String(): {gguf.BF16, 32},
}

// quantizationVersion is that of the layout of quantized blocks.
const quantizationVersion = 2

// Content is what a file says and holds.
type Content struct {
	metadata []gguf.Entry
	tensors  []gguf.Tensor
}

// GGUF prepares the file of a model under a name for people, with matrices of one of Types. Vectors and the table of positions stay float32, as
// llama.cpp's own converter has them; so do rows whose length a type cannot hold, as binary16. Errors are data faults where llama.cpp cannot run
// such a model or tokenizer, and of wrong usage where there is no such type.
func GGUF(m *model.Model, t tokenizer.Tokenizer, name, typeName string) (*Content, error) {
	kind, ok := fileTypes[typeName]
	if !ok {
		return nil, fault.Usagef("-type %q: expected %s", typeName, strings.Join(Types, ", "))
	}
	vocabulary, err := newVocabulary(t, m.Config)
	if err != nil {
		return nil, err
	}
	architecture, tensors, err := describe(m)
	if err != nil {
		return nil, err
	}
	c := &Content{metadata: []gguf.Entry{{Key: "general.architecture", Value: architecture.name}, {Key: "general.name", Value: name},
		{Key: "general.file_type", Value: kind.number}}}
	if kind.matrices.Block() > 1 {
		c.metadata = append(c.metadata, gguf.Entry{Key: "general.quantization_version", Value: uint32(quantizationVersion)})
	}
	for _, e := range architecture.metadata {
		c.metadata = append(c.metadata, gguf.Entry{Key: architecture.name + "." + e.Key, Value: e.Value})
	}
	c.metadata = append(c.metadata, vocabulary.metadata...)
	for _, t := range tensors {
		if vocabulary.addedEnd && (t.name == tokenEmbedding || t.name == output) {
			t.value, t.shape = withMeanRow(t.value, t.shape[1]), []int{t.shape[0] + 1, t.shape[1]}
		}
		c.tensors = append(c.tensors, t.as(kind.matrices))
	}
	return c, nil
}

// Write writes the file. The error is the writer's, or names a weight which the type cannot hold.
func (c *Content) Write(w io.Writer) error { return gguf.Write(w, c.metadata, c.tensors) }

// describe is the model as llama.cpp has it. Where a model has no head of its own, llama.cpp takes the token embeddings, too.
func describe(m *model.Model) (architecture, []tensor, error) {
	if m.Config.Architecture == model.Llama {
		a, tensors := llama(m)
		return a, tensors, nil
	}
	return gpt2(m)
}

// architecture is what llama.cpp calls a kind of model, with its metadata, whose keys lack the name.
type architecture struct {
	name     string
	metadata []gguf.Entry
}

// The tensors that have a row for each token, in every architecture.
const (
	tokenEmbedding = "token_embd.weight"
	output         = "output.weight"
)

// tensor is a weight under llama.cpp's name.
type tensor struct {
	name       string
	value      []float32
	shape      []int // of value
	transposed bool  // value is [in, out], llama.cpp has [out, in]
	float32    bool  // whatever the type of the file

	row func(row int) int // of value, for a row in the file, where the two differ; or nil
}

// as is the tensor with a type.
func (t tensor) as(matrices gguf.Type) gguf.Tensor {
	last := len(t.shape) - 1
	g := gguf.Tensor{Name: t.name, Type: matrices, Shape: t.shape}
	columns := t.shape[last]
	g.Row = func(i int, dst []float32) { copy(dst, t.value[i*columns:]) }
	switch {
	case t.row != nil:
		g.Row = func(i int, dst []float32) { copy(dst, t.value[t.row(i)*columns:]) }
	case t.transposed:
		g.Shape = []int{t.shape[1], t.shape[0]}
		g.Row = func(i int, dst []float32) {
			for j := range dst {
				dst[j] = t.value[j*columns+i]
			}
		}
	}
	switch {
	case last == 0 || t.float32:
		g.Type = gguf.F32
	case g.Shape[1]%matrices.Block() != 0:
		g.Type = gguf.F16
	}
	return g
}

// cannot is the error about what llama.cpp does not have.
func cannot(format string, args ...any) error {
	return fault.Dataf("llama.cpp cannot run this model: %s", fmt.Sprintf(format, args...))
}
