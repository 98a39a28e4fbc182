package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// File is what Parse has read.
type File struct {
	Metadata []Entry
	Tensors  []Info
	data     []byte // the section of the tensors
}

// Info describes a tensor of a file.
type Info struct {
	Name  string
	Type  Type
	Shape []int // row-major, the fastest dimension last

	begin, end int // of its bytes in the data section
}

// Parse reads a file of the kinds that Write writes. Errors say what is wrong with it; nothing is allocated that the file is not large enough for.
func Parse(content []byte) (*File, error) {
	r := &reader{rest: content}
	if string(r.take(len(magic))) != magic {
		return nil, fmt.Errorf("it does not begin with %q: not a GGUF file", magic)
	}
	if v := r.uint32(); r.err == nil && v != version {
		return nil, fmt.Errorf("version %d, expected %d", v, version)
	}
	tensors, entries := r.uint64(), r.uint64()
	f := &File{}
	for i := uint64(0); i < entries && r.err == nil; i++ {
		f.Metadata = append(f.Metadata, Entry{r.string(), r.value()})
	}
	offsets := []uint64{}
	for i := uint64(0); i < tensors && r.err == nil; i++ {
		info, offset := r.info()
		f.Tensors, offsets = append(f.Tensors, info), append(offsets, offset)
	}
	r.take(align(len(content)-len(r.rest)) - (len(content) - len(r.rest)))
	if r.err != nil {
		return nil, r.err
	}
	f.data = r.rest
	seen := make(map[string]bool)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor %q is there twice", t.Name)
		}
		seen[t.Name] = true
		if err := t.place(offsets[i], len(f.data)); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	return f, nil
}

// place sets where the tensor's bytes are, in a section of so many.
func (t *Info) place(offset uint64, section int) error {
	known, ok := types[t.Type]
	if !ok {
		return fmt.Errorf("%v is not supported", t.Type)
	}
	if t.Shape[len(t.Shape)-1]%known.block != 0 {
		return fmt.Errorf("rows of shape %v are no multiple of the %d elements that %v stores together", t.Shape, known.block, t.Type)
	}
	size := known.size
	for i, n := range t.Shape {
		if i == len(t.Shape)-1 {
			n /= known.block
		}
		if n > 0 && size > math.MaxInt/n {
			return fmt.Errorf("shape %v is too large", t.Shape)
		}
		size *= n
	}
	if offset%alignment != 0 || offset > uint64(section) || size > section-int(offset) {
		return fmt.Errorf("%d bytes at %d of a section of %d: expected a multiple of %d, within it", size, offset, section, alignment)
	}
	t.begin, t.end = int(offset), int(offset)+size
	return nil
}

// Value returns the value of a key of the metadata, nil if there is none.
func (f *File) Value(key string) any {
	for _, e := range f.Metadata {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

// Read returns the elements of a tensor, row-major, as what they stand for, and its description.
func (f *File) Read(name string) ([]float32, Info, error) {
	i := slices.IndexFunc(f.Tensors, func(t Info) bool { return t.Name == name })
	if i < 0 {
		return nil, Info{}, fmt.Errorf("there is no tensor %q", name)
	}
	t := f.Tensors[i]
	known := types[t.Type]
	values := make([]float32, (t.end-t.begin)/known.size*known.block)
	t.Type.decode(values, f.data[t.begin:t.end])
	return values, t, nil
}

// reader takes values from the front of a file. After the first error everything is zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail(errors.New("the file is cut short"))
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// length reads a number of things of at least so many bytes each, which must be there.
func (r *reader) length(each int) int {
	n := r.uint64()
	if n > uint64(len(r.rest)/each) {
		r.fail(fmt.Errorf("a length of %d, but only %d bytes follow: the file is cut short", n, len(r.rest)))
		return 0
	}
	return int(n)
}

func (r *reader) string() string { return string(r.take(r.length(1))) }

func (r *reader) value() any {
	switch k := kind(r.uint32()); k {
	case kindString:
		return r.string()
	case kindBool:
		b := r.take(1)
		return len(b) == 1 && b[0] != 0
	case kindUint32:
		return r.uint32()
	case kindFloat32:
		return math.Float32frombits(r.uint32())
	case kindArray:
		return r.array()
	default:
		r.fail(fmt.Errorf("a value of the metadata is of kind %d, which is not supported", k))
	}
	return nil
}

func (r *reader) array() any {
	switch k := kind(r.uint32()); k {
	case kindString:
		list := make([]string, r.length(8))
		for i := range list {
			list[i] = r.string()
		}
		return list
	case kindInt32:
		list := make([]int32, r.length(4))
		for i := range list {
			list[i] = int32(r.uint32())
		}
		return list
	default:
		r.fail(fmt.Errorf("an array of the metadata is of kind %d, which is not supported", k))
	}
	return nil
}

func (r *reader) info() (Info, uint64) {
	info := Info{Name: r.string()}
	dims := r.uint32()
	if r.err == nil && (dims < 1 || dims > maxDims) {
		r.fail(fmt.Errorf("tensor %q has %d dimensions, expected 1 to %d", info.Name, dims, maxDims))
	}
	for range min(dims, maxDims) {
		n := r.uint64()
		if n > math.MaxInt32 {
			r.fail(fmt.Errorf("tensor %q has a dimension of %d", info.Name, n))
		}
		info.Shape = append([]int{int(min(n, math.MaxInt32))}, info.Shape...)
	}
	info.Type = Type(r.uint32())
	return info, r.uint64()
}
