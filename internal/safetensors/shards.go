package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trainer/internal/fault"
)

// IndexSuffix makes of the name of a file that of the index which lists the shards that stand for it: model.safetensors.index.json.
const IndexSuffix = ".index.json"

// index is the content of an index: {"metadata": {"total_size": bytes}, "weight_map": {tensor: file}}.
type index struct {
	files map[string]string // by tensor
	total *json.Number      // bytes of all tensors, if the index says it
}

// openShards opens every file that the index lists, and checks that together they hold the tensors which it says, each in its file.
func openShards(path string) (*File, error) {
	ix, err := readIndex(path)
	if err != nil {
		return nil, fault.Dataf("%s: %w", path, err)
	}
	f := &File{path: path, index: make(map[string]int)}
	if err := f.openAll(ix); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) openAll(ix *index) error {
	for _, name := range slices.Compact(slices.Sorted(maps.Values(ix.files))) {
		part, err := openFile(filepath.Join(filepath.Dir(f.path), name))
		if err != nil {
			return fault.Dataf("%w: %s needs it", err, f.path)
		}
		if err := f.join(part, name, ix); err != nil {
			return fault.Dataf("%s: %w", part.path, err)
		}
	}
	if err := ix.check(f.tensors); err != nil {
		return fault.Dataf("%s: %w", f.path, err)
	}
	return nil
}

// join adds the file of that name, which f closes from now on.
func (f *File) join(part *File, name string, ix *index) error {
	f.shards = append(f.shards, part.shards...)
	if f.metadata == nil {
		f.metadata = part.metadata
	}
	for _, info := range part.tensors {
		switch file, ok := ix.files[info.Name]; {
		case !ok:
			return fmt.Errorf("tensor %q is not in %s", info.Name, filepath.Base(f.path))
		case file != name:
			return fmt.Errorf("tensor %q is here, but %s says that it is in %s", info.Name, filepath.Base(f.path), file)
		}
		info.shard = len(f.shards) - 1
		f.index[info.Name] = len(f.tensors)
		f.tensors = append(f.tensors, info)
	}
	return nil
}

// check compares the tensors that were found, all of them in the file where they should be, with the index.
func (ix *index) check(found []Info) error {
	have := make(map[string]bool, len(found))
	var total int64
	for _, info := range found {
		have[info.Name] = true
		total += info.end - info.begin
	}
	for _, name := range slices.Sorted(maps.Keys(ix.files)) {
		if !have[name] {
			return fmt.Errorf("tensor %q is not in %s, where weight_map says that it is", name, ix.files[name])
		}
	}
	if ix.total == nil {
		return nil
	}
	if want, err := ix.total.Float64(); err != nil || want != float64(total) { // some writers have it as 8.0
		return fmt.Errorf("total_size is %s, but the tensors of all files take %d bytes: the files are not of one model", *ix.total, total)
	}
	return nil
}

func readIndex(path string) (*index, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxHeader+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxHeader {
		return nil, fmt.Errorf("the file has more than %d bytes: not the index of a model", maxHeader)
	}
	return parseIndex(text)
}

// parseIndex reads the JSON. Files are names without folders, so that an index reaches nothing but its neighbours.
func parseIndex(text []byte) (*index, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, fmt.Errorf("the index is %w", err)
	}
	ix := &index{}
	err = p.object(func(key string) (err error) {
		switch key {
		case "weight_map":
			ix.files, err = p.texts()
			return err
		case "metadata":
			var metadata struct {
				Total *json.Number `json:"total_size"`
			}
			err = p.Decode(&metadata)
			ix.total = metadata.Total
			return err
		}
		return p.Decode(new(json.RawMessage))
	})
	if err != nil {
		return nil, fmt.Errorf("the index is wrong: %w", err)
	}
	if len(ix.files) == 0 {
		return nil, errors.New("the index has no weight_map, which says for each tensor in which file it is")
	}
	for _, name := range slices.Sorted(maps.Keys(ix.files)) {
		if file := ix.files[name]; file == "" || file == "." || file == ".." || strings.ContainsAny(file, `/\:`) {
			return nil, fmt.Errorf("weight_map has tensor %q in %q: expected the name of a file in the same folder", name, file)
		}
	}
	return ix, nil
}
