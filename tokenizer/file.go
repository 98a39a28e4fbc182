package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"trainer/internal/fault"
)

// maxFileSize bounds what Load reads. The tokenizer.json of a vocabulary of 128,000 tokens and their merges takes 17 MB.
const maxFileSize = 64 << 20

const formatVersion = "1.0"

// The model types of tokenizer.json.
const (
	wordLevelType = "WordLevel"
	bpeType       = "BPE"
)

type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	StripLeft  bool   `json:"lstrip"`
	StripRight bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// specials returns the special tokens as tokenizer.json describes them; the first has the given id.
func specials(first int32) []addedToken {
	var list []addedToken
	for i, token := range specialTokens {
		list = append(list, addedToken{ID: first + int32(i), Content: token, Special: true})
	}
	return list
}

// Load reads a tokenizer from a file or folder: a tokenizer.json with a WordLevel or byte-level BPE model, or GPT-2's two
// files, vocab.json with merges.txt or encoder.json with vocab.bpe. path names the folder, or the file with the vocabulary.
// What a file asks for and Word and BPE do not do is an error of class data, rather than text that is silently encoded in
// another way.
func Load(path string) (Tokenizer, error) {
	vocabulary, err := locate(path)
	if err != nil {
		return nil, fault.Dataf("cannot read the tokenizer: %w", err)
	}
	if merges, ok := gpt2Files[filepath.Base(vocabulary)]; ok {
		return loadGPT2(vocabulary, filepath.Join(filepath.Dir(vocabulary), merges))
	}
	data, err := readFile(vocabulary)
	if err != nil {
		return nil, err
	}
	return Parse(data, vocabulary)
}

// locate returns the file with the vocabulary: path, or the one in the folder path.
func locate(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path, err
	}
	names := append([]string{FileName}, slices.Sorted(maps.Keys(gpt2Files))...)
	for _, name := range names {
		file := filepath.Join(path, name)
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return "", fmt.Errorf("the folder %s has none of the files %s", path, strings.Join(names, ", "))
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Dataf("cannot read the tokenizer: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, fault.Dataf("cannot read the tokenizer: %w", err)
	}
	return data, nil
}

// Parse returns the tokenizer of the content of a tokenizer.json; name stands for the file in errors, which are as Load's.
func Parse(data []byte, name string) (Tokenizer, error) {
	t, err := parse(data)
	if err != nil {
		return nil, fault.Dataf("%s: %w", name, err)
	}
	return t, nil
}

func parse(data []byte) (Tokenizer, error) {
	if err := checkText(data); err != nil {
		return nil, err
	}
	var kind struct {
		Model *struct {
			Type   string          `json:"type"`
			Merges json.RawMessage `json:"merges"`
		} `json:"model"`
		PreTokenizer *component `json:"pre_tokenizer"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("not the JSON of a tokenizer: %w", located(data, err))
	}
	switch {
	case kind.Model == nil:
		return nil, errors.New(`"model" is missing: not a tokenizer.json of Hugging Face tokenizers`)
	case kind.Model.Type == wordLevelType && kind.PreTokenizer != nil && kind.PreTokenizer.Type == splitType:
		return parseChar(data)
	case kind.Model.Type == wordLevelType:
		return parseWord(data)
	case kind.Model.Type == bpeType, kind.Model.Type == "" && kind.Model.Merges != nil: // GPT-2's own file does not name it
		return parseBPE(data)
	case kind.Model.Type == "":
		return nil, errors.New(`"model" has no "type": not a tokenizer.json of Hugging Face tokenizers`)
	}
	return nil, fmt.Errorf("a tokenizer of type %s is not supported; supported are %s and byte-level %s",
		kind.Model.Type, wordLevelType, bpeType)
}

// checkText returns an error if data cannot be one of a tokenizer's files, all of which are text.
func checkText(data []byte) error {
	switch {
	case len(data) > maxFileSize:
		return fmt.Errorf("larger than %d MiB: not a tokenizer", maxFileSize>>20)
	case len(data) == 0:
		return errors.New("the file is empty")
	case !utf8.Valid(data):
		return errors.New("not valid UTF-8: not a tokenizer")
	}
	return nil
}

// decodeStrict decodes JSON in which every key must be known.
func decodeStrict(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(v)
}

// stage is a part of the Hugging Face pipeline that a tokenizer here does without: it is written as null and has to be null.
type stage struct {
	name  string
	value any
}

// checkHead returns an error unless the version is the known one and the stages are null.
func checkHead(version string, stages ...stage) error {
	if version != formatVersion {
		return fmt.Errorf(`"version" is %q, expected %q`, version, formatVersion)
	}
	for _, s := range stages {
		if s.value != nil {
			return fmt.Errorf("%q is set, expected null: there is no such stage here", s.name)
		}
	}
	return nil
}

// located adds the line to an error of JSON syntax or type.
func located(data []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var offset int64
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n")), err)
}
