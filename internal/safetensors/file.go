// Package safetensors reads and writes named tensors in the safetensors format of Hugging Face
// (https://huggingface.co/docs/safetensors): eight bytes of header length, little-endian; a JSON header, which says for
// each tensor its dtype, its shape and where its bytes are; the bytes of all tensors, end to end, row-major, little-endian.
// A large model is in several such files, its shards, which an index lists (shards.go).
//
// Files come from anywhere, so Open checks all that the header says against the file before anything is read or
// allocated. Its errors, and those of Read, are data faults (package fault) that name the file, the tensor and the cause.
//
// Start at Write, then Open and Read.
package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"trainer/internal/fault"
)

// maxHeader is the longest header in bytes, the limit of the reference implementation.
const maxHeader = 100_000_000

// chunk is the number of bytes converted at a time: a tensor is never in memory twice.
const chunk = 64 << 10

// Info describes a tensor of a file.
type Info struct {
	Name  string
	DType DType
	Shape []int // row-major; a scalar has none

	begin, end int64 // offsets into the data section
	shard      int   // into File.shards
}

// File is an open file, or several that belong together. Its methods and Read may be called from several goroutines.
type File struct {
	path     string         // of the file or of the index
	shards   []shard        // one, if there is no index
	tensors  []Info         // in order of shards, and then of their bytes
	index    map[string]int // into tensors
	metadata map[string]string
}

// shard is one file.
type shard struct {
	path  string
	file  io.ReaderAt
	start int64 // where in the file the bytes of the tensors begin
	close func() error
}

// Open opens the file and checks its header. If there is none, but an index of that name with IndexSuffix behind it, Open opens all files that it
// lists. The tensors stay on disk until Read.
func Open(path string) (*File, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(path + IndexSuffix); err == nil {
			return openShards(path + IndexSuffix)
		}
	}
	return openFile(path)
}

func openFile(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Dataf("safetensors: %w", err)
	}
	f, err := open(file)
	if err != nil {
		file.Close()
		return nil, fault.Dataf("%s: %w", path, err)
	}
	return f, nil
}

func open(file *os.File) (*File, error) {
	stat, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !stat.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := parse(file, stat.Size())
	if err != nil {
		return nil, err
	}
	f.path = file.Name()
	f.shards[0].path, f.shards[0].close = file.Name(), file.Close
	return f, nil
}

// Close closes the file.
func (f *File) Close() error {
	var errs []error
	for _, s := range f.shards {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// Tensors describes the tensors, in the order of their bytes.
func (f *File) Tensors() []Info { return slices.Clone(f.tensors) }

// Lookup describes the tensor of that name, if there is one.
func (f *File) Lookup(name string) (Info, bool) {
	i, ok := f.index[name]
	if !ok {
		return Info{}, false
	}
	return f.tensors[i], true
}

// Metadata returns the free-form text stored under key, if there is any.
func (f *File) Metadata(key string) (string, bool) {
	value, ok := f.metadata[key]
	return value, ok
}

// Read fills dst with the tensor of that name, which must have this shape and the dtype of T, or for float32 also F16 or BF16, which are widened.
// len(dst) must be the product of the shape.
func Read[T Element](f *File, name string, dst []T, shape ...int) error {
	checkShape(name, shape, len(dst))
	info, ok := f.Lookup(name)
	switch {
	case !ok:
		return fault.Dataf("%s: there is no tensor %q, expected one of type %s and shape %v", f.path, name, element[T](), shape)
	case !readable[T](info.DType):
		return fault.Dataf("%s: tensor %q is of type %s, expected %s", f.shards[info.shard].path, name, info.DType, element[T]())
	case !slices.Equal(info.Shape, shape):
		return fault.Dataf("%s: tensor %q has shape %v, expected %v", f.shards[info.shard].path, name, info.Shape, shape)
	}
	size, from := int(sizes[info.DType]), &f.shards[info.shard]
	buffer := make([]byte, min(chunk, len(dst)*size))
	for offset := from.start + info.begin; len(dst) > 0; offset += int64(len(buffer)) {
		n := min(len(dst), chunk/size)
		buffer = buffer[:n*size]
		if err := readFull(from.file, buffer, offset); err != nil {
			return fault.Dataf("%s: tensor %q: %w", from.path, name, err)
		}
		decode(dst[:n], buffer, info.DType)
		dst = dst[n:]
	}
	return nil
}

// parse checks the header of a file of that size.
func parse(file io.ReaderAt, size int64) (*File, error) {
	var prefix [8]byte
	data := size - int64(len(prefix)) // bytes after the prefix, then after the header
	if data < 0 {
		return nil, fmt.Errorf("the file has %d bytes, expected at least the %d of the header length", size, len(prefix))
	}
	if err := readFull(file, prefix[:], 0); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	switch {
	case length > maxHeader:
		return nil, fmt.Errorf("the header length is %d, above the limit of %d bytes: not a safetensors file", length, maxHeader)
	case int64(length) > data:
		return nil, fmt.Errorf("the header length is %d, but only %d bytes follow: the file is cut short", length, data)
	}
	header := make([]byte, length)
	if err := readFull(file, header, int64(len(prefix))); err != nil {
		return nil, err
	}
	data -= int64(length)
	tensors, metadata, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	if err := layOut(tensors, data); err != nil {
		return nil, err
	}
	index := make(map[string]int, len(tensors))
	for i, info := range tensors {
		index[info.Name] = i
	}
	return &File{shards: []shard{{file: file, start: size - data}}, tensors: tensors, index: index, metadata: metadata}, nil
}

// readFull fills buffer from the offset of the file.
func readFull(file io.ReaderAt, buffer []byte, offset int64) error {
	n, err := file.ReadAt(buffer, offset)
	switch {
	case n == len(buffer):
		return nil
	case err == io.EOF:
		return fmt.Errorf("the file became shorter while it was read: %w", io.ErrUnexpectedEOF)
	}
	return err
}
