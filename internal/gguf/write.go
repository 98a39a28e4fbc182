// Package gguf writes and reads GGUF files of version 3, in which llama.cpp keeps models
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): a header; metadata, which are typed values by key; for each tensor its name,
// shape, type and where its bytes are; the bytes, each tensor's aligned. All numbers are little-endian.
//
// What the keys and tensors of a model are called is not known here, but in package export.
//
// Start at Write. Parse reads a file back, for those who check what was written.
package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// The format.
const (
	magic     = "GGUF"
	version   = 3
	alignment = 32 // in bytes of the data section and each tensor: the default, which needs no metadata
	maxDims   = 4
)

// Entry is a key of the metadata with its value: a string, bool, uint32, float32, []string or []int32.
type Entry struct {
	Key   string
	Value any
}

// Tensor is a tensor to be written.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int // row-major, the fastest dimension last: the file has it the other way round
	// Row fills dst with the row of that index: the elements which differ in the last dimension alone.
	Row func(index int, dst []float32)
}

// rows is the number of rows and their length.
func (t *Tensor) rows() (count, length int) {
	last := len(t.Shape) - 1
	count = 1
	for _, n := range t.Shape[:last] {
		count *= n
	}
	return count, t.Shape[last]
}

func (t *Tensor) rowSize() int {
	known := types[t.Type]
	return t.Shape[len(t.Shape)-1] / known.block * known.size
}

// check panics if there is no such tensor.
func (t *Tensor) check() {
	known, ok := types[t.Type]
	if !ok || len(t.Shape) < 1 || len(t.Shape) > maxDims || t.Shape[len(t.Shape)-1]%known.block != 0 {
		panic(fmt.Sprintf("gguf: tensor %q of %v has shape %v", t.Name, t.Type, t.Shape))
	}
}

// Write writes a file. Tensors are converted row by row. The error is the writer's, or names the tensor, the row and the element that its type
// cannot hold.
func Write(w io.Writer, metadata []Entry, tensors []Tensor) error {
	head := []byte(magic)
	head = binary.LittleEndian.AppendUint32(head, version)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(tensors)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(metadata)))
	for _, e := range metadata {
		head = appendValue(appendString(head, e.Key), e.Value)
	}
	var offset int
	for _, t := range tensors {
		t.check()
		head = appendString(head, t.Name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.Shape)))
		for i := range t.Shape {
			head = binary.LittleEndian.AppendUint64(head, uint64(t.Shape[len(t.Shape)-1-i]))
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(t.Type))
		head = binary.LittleEndian.AppendUint64(head, uint64(offset))
		count, _ := t.rows()
		offset = align(offset + count*t.rowSize())
	}
	if _, err := w.Write(append(head, make([]byte, align(len(head))-len(head))...)); err != nil {
		return err
	}
	for _, t := range tensors {
		if err := t.write(w); err != nil {
			return err
		}
	}
	return nil
}

// align rounds up to where a tensor may begin.
func align(offset int) int { return (offset + alignment - 1) / alignment * alignment }

// write writes the tensor's bytes and those up to the next.
func (t *Tensor) write(w io.Writer) error {
	count, length := t.rows()
	row, bytes := make([]float32, length), make([]byte, t.rowSize())
	for i := range count {
		t.Row(i, row)
		if err := t.Type.encode(bytes, row); err != nil {
			return fmt.Errorf("tensor %s, row %d: %w", t.Name, i, err)
		}
		if _, err := w.Write(bytes); err != nil {
			return err
		}
	}
	end := count * len(bytes)
	_, err := w.Write(make([]byte, align(end)-end))
	return err
}

// kind is the type of a value of the metadata; the numbers are the format's.
type kind uint32

const (
	kindUint32  kind = 4
	kindInt32   kind = 5
	kindFloat32 kind = 6
	kindBool    kind = 7
	kindString  kind = 8
	kindArray   kind = 9
)

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends a value behind its kind.
func appendValue(b []byte, value any) []byte {
	of := func(k kind) []byte { return binary.LittleEndian.AppendUint32(b, uint32(k)) }
	array := func(k kind, n int) []byte {
		b = of(kindArray)
		return binary.LittleEndian.AppendUint64(of(k), uint64(n))
	}
	switch v := value.(type) {
	case string:
		return appendString(of(kindString), v)
	case bool:
		if v {
			return append(of(kindBool), 1)
		}
		return append(of(kindBool), 0)
	case uint32:
		return binary.LittleEndian.AppendUint32(of(kindUint32), v)
	case float32:
		return binary.LittleEndian.AppendUint32(of(kindFloat32), math.Float32bits(v))
	case []string:
		b = array(kindString, len(v))
		for _, s := range v {
			b = appendString(b, s)
		}
		return b
	case []int32:
		b = array(kindInt32, len(v))
		for _, n := range v {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
		return b
	}
	panic(fmt.Sprintf("gguf: no kind of value for %T", value))
}
