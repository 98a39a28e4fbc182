package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// alignment in bytes of the data section: a cache line, so that a reader which maps the file gets aligned tensors.
const alignment = 64

// Tensor is a tensor to be written. It refers to the values it was made of.
type Tensor struct {
	name  string
	dtype DType
	shape []int
	size  int64 // in bytes
	write func(w io.Writer, buffer []byte) error
}

// New makes a Tensor of values, whose number must be the product of the shape.
func New[T Element](name string, values []T, shape ...int) Tensor {
	return NewAs(element[T](), name, values, shape...)
}

// NewAs is New for another type in the file: F16 or BF16 for float32 values, which are rounded as package half does. A float32 of half.MaxF16+16
// or more becomes infinite as F16.
func NewAs[T Element](dtype DType, name string, values []T, shape ...int) Tensor {
	checkShape(name, shape, len(values))
	if !readable[T](dtype) {
		panic(fmt.Sprintf("safetensors: tensor %q: %T cannot be written as %s", name, values, dtype))
	}
	size := int(sizes[dtype])
	return Tensor{
		name: name, dtype: dtype, shape: shape, size: int64(len(values)) * int64(size),
		write: func(w io.Writer, buffer []byte) error {
			for rest := values; len(rest) > 0; {
				n := min(len(rest), len(buffer)/size)
				encode(buffer[:n*size], rest[:n], dtype)
				if _, err := w.Write(buffer[:n*size]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		},
	}
}

// checkShape panics if a tensor of that shape does not have n elements.
func checkShape(name string, shape []int, n int) {
	if want, ok := elements(shape); !ok || want != int64(n) {
		panic(fmt.Sprintf("safetensors: tensor %q has %d values for shape %v", name, n, shape))
	}
}

// Write writes a file of the tensors, in that order, with metadata, which may be nil. The same arguments give the same bytes.
// Tensors are converted piecewise and never copied as a whole. Names must be unique and UTF-8, metadata too. The error is
// the writer's.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	header := header(tensors, metadata)
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	buffer := make([]byte, chunk)
	for _, tensor := range tensors {
		if err := tensor.write(w, buffer); err != nil {
			return err
		}
	}
	return nil
}

// header returns the JSON, padded with spaces to the alignment.
func header(tensors []Tensor, metadata map[string]string) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	member := func(key string, value any) {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(marshal(key))
		b.WriteByte(':')
		b.Write(marshal(value))
	}
	if len(metadata) > 0 {
		for key, value := range metadata {
			checkText(key)
			checkText(value)
		}
		member(metadataKey, metadata) // encoding/json sorts the keys
	}
	seen := map[string]bool{metadataKey: true}
	var offset int64
	for _, t := range tensors {
		checkText(t.name)
		if seen[t.name] {
			panic(fmt.Sprintf("safetensors: tensor name %q is taken", t.name))
		}
		seen[t.name] = true
		member(t.name, struct {
			DType   DType    `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{t.dtype, append([]int{}, t.shape...), [2]int64{offset, offset + t.size}}) // a scalar's shape is [], not null
		offset += t.size
	}
	b.WriteByte('}')
	const prefix = 8
	b.WriteString(strings.Repeat(" ", -(prefix+b.Len())&(alignment-1)))
	return b.Bytes()
}

func marshal(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings and integers alone
	}
	return text
}

// checkText panics where encoding/json would silently replace bytes.
func checkText(text string) {
	if !utf8.ValidString(text) {
		panic(fmt.Sprintf("safetensors: %q is not UTF-8", text))
	}
}
