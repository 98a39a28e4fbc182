package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"unicode/utf8"

	"trainer/internal/fault"
)

// maxFileSize bounds what Load reads. The tokenizer.json of a vocabulary of 128,000 tokens and their merges takes 17 MB.
const maxFileSize = 64 << 20

// document is the layout of tokenizer.json with a WordLevel model. A field of type any is a stage of the Hugging Face
// pipeline that this tokenizer does without: it is written as null and has to be null.
type document struct {
	Version       string       `json:"version"`
	Truncation    any          `json:"truncation"`
	Padding       any          `json:"padding"`
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    any          `json:"normalizer"`
	PreTokenizer  *component   `json:"pre_tokenizer"`
	PostProcessor any          `json:"post_processor"`
	Decoder       any          `json:"decoder"` // null joins words with a space
	Model         wordLevel    `json:"model"`
}

type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	StripLeft  bool   `json:"lstrip"`
	StripRight bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type component struct {
	Type string `json:"type"`
}

type wordLevel struct {
	Type    string     `json:"type"`
	Vocab   vocabulary `json:"vocab"`
	Unknown string     `json:"unk_token"`
}

const (
	formatVersion   = "1.0"
	wordLevelType   = "WordLevel"
	splitWhitespace = "WhitespaceSplit"
)

// specials returns the special tokens as tokenizer.json describes them.
func specials() []addedToken {
	var list []addedToken
	for id, token := range specialTokens {
		list = append(list, addedToken{ID: int32(id), Content: token, Special: true})
	}
	return list
}

// JSON returns the content of tokenizer.json.
func (w *Word) JSON() []byte {
	return encodeJSON(document{
		Version:      formatVersion,
		AddedTokens:  specials(),
		PreTokenizer: &component{splitWhitespace},
		Model:        wordLevel{wordLevelType, w.tokens, unknownToken},
	})
}

// Load reads a tokenizer.json that holds a WordLevel model as JSON writes it. Anything else in the file is an error of
// class data, rather than text that is silently encoded in another way than the file asks for.
func Load(path string) (Tokenizer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Dataf("cannot read the tokenizer: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, fault.Dataf("cannot read the tokenizer: %w", err)
	}
	return Parse(data, path)
}

// Parse is Load for content in memory; name stands for the file in errors.
func Parse(data []byte, name string) (Tokenizer, error) {
	t, err := parse(data)
	if err != nil {
		return nil, fault.Dataf("%s: %w", name, err)
	}
	return t, nil
}

func parse(data []byte) (Tokenizer, error) {
	switch {
	case len(data) > maxFileSize:
		return nil, fmt.Errorf("larger than %d MiB: not a tokenizer.json", maxFileSize>>20)
	case len(data) == 0:
		return nil, errors.New("the file is empty")
	case !utf8.Valid(data):
		return nil, errors.New("not valid UTF-8: not a tokenizer.json")
	}
	var kind struct {
		Model *component `json:"model"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("not the JSON of a tokenizer: %w", located(data, err))
	}
	switch {
	case kind.Model == nil || kind.Model.Type == "":
		return nil, errors.New(`"model" with a "type" is missing: not a tokenizer.json of Hugging Face tokenizers`)
	case kind.Model.Type != wordLevelType:
		return nil, fmt.Errorf("a tokenizer of type %s is not supported; supported is %s", kind.Model.Type, wordLevelType)
	}
	return parseWord(data)
}

// parseWord reads a document whose model is known to be a WordLevel.
func parseWord(data []byte) (*Word, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var d document
	if err := decoder.Decode(&d); err != nil {
		return nil, fmt.Errorf("not the JSON of a %s tokenizer: %w", wordLevelType, located(data, err))
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return NewWord(d.Model.Vocab[len(specialTokens):])
}

// check returns an error unless the document asks for exactly what Word does.
func (d *document) check() error {
	if d.Version != formatVersion {
		return fmt.Errorf(`"version" is %q, expected %q`, d.Version, formatVersion)
	}
	for _, stage := range []struct {
		name  string
		value any
	}{
		{"truncation", d.Truncation}, {"padding", d.Padding}, {"normalizer", d.Normalizer},
		{"post_processor", d.PostProcessor}, {"decoder", d.Decoder},
	} {
		if stage.value != nil {
			return fmt.Errorf("%q is set, expected null: a word tokenizer has no such stage here", stage.name)
		}
	}
	if d.PreTokenizer == nil || d.PreTokenizer.Type != splitWhitespace {
		return fmt.Errorf(`"pre_tokenizer" must be of type %s`, splitWhitespace)
	}
	if d.Model.Unknown != unknownToken {
		return fmt.Errorf(`"unk_token" is %q, expected %q: here an unknown word is always an error`, d.Model.Unknown, unknownToken)
	}
	want := specials()
	if len(d.AddedTokens) != len(want) {
		return fmt.Errorf(`"added_tokens" has %d tokens, expected the %d special tokens %q`, len(d.AddedTokens), len(want), specialTokens)
	}
	for i, token := range want {
		if d.AddedTokens[i] != token {
			return fmt.Errorf(`"added_tokens" entry %d is %+v, expected %+v`, i+1, d.AddedTokens[i], token)
		}
		if i >= len(d.Model.Vocab) || d.Model.Vocab[i] != token.Content {
			return fmt.Errorf(`"vocab" must give the special token %q the id %d`, token.Content, i)
		}
	}
	return nil
}

// vocabulary lists tokens by id. In JSON it is an object from token to id, in the order of the ids.
type vocabulary []string

func (v vocabulary) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for id, token := range v {
		if id > 0 {
			b.WriteByte(',')
		}
		b.Write(bytes.TrimSpace(encodeJSON(token)))
		fmt.Fprintf(&b, ":%d", id)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (v *vocabulary) UnmarshalJSON(data []byte) error {
	var ids map[string]int64
	if err := json.Unmarshal(data, &ids); err != nil {
		// Not wrapped: the offset in err counts from the start of the object, not of the file.
		return fmt.Errorf(`"vocab" does not map words to ids: %v`, err)
	}
	tokens := make([]string, len(ids))
	given := make([]bool, len(ids))
	// Going by token, not by the random order of a map, reports the same mistake in the same words each time.
	for _, token := range slices.Sorted(maps.Keys(ids)) {
		id := ids[token]
		switch {
		case id < 0 || id >= int64(len(ids)):
			return fmt.Errorf(`"vocab" gives %q the id %d, but its %d tokens must have the ids 0 to %d`, token, id, len(ids), len(ids)-1)
		case given[id]:
			return fmt.Errorf(`"vocab" gives both %q and %q the id %d`, tokens[id], token, id)
		}
		tokens[id], given[id] = token, true
	}
	*v = tokens
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
