package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// bpeDocument is the layout of tokenizer.json with a BPE model over bytes.
type bpeDocument struct {
	Version       string       `json:"version"`
	Truncation    any          `json:"truncation"`
	Padding       any          `json:"padding"`
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    any          `json:"normalizer"`
	PreTokenizer  *byteLevel   `json:"pre_tokenizer"`
	PostProcessor *byteLevel   `json:"post_processor"` // of no effect on ids; null or as GPT-2 has it
	Decoder       *byteLevel   `json:"decoder"`
	Model         bpeModel     `json:"model"`
}

// byteLevel is the stage that stands for bytes by characters and, as a pre-tokenizer, splits text into words.
type byteLevel struct {
	Type           string `json:"type"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	TrimOffsets    bool   `json:"trim_offsets"`
	UseRegex       *bool  `json:"use_regex"` // true where it is missing
}

// UnmarshalJSON names the stage where it is another: its keys would be a riddle.
func (l *byteLevel) UnmarshalJSON(data []byte) error {
	var kind component
	if err := json.Unmarshal(data, &kind); err != nil {
		return fmt.Errorf("a stage is not an object with a type: %v", err)
	}
	if kind.Type != byteLevelType {
		return fmt.Errorf("a stage is of type %q, expected %s: of the BPE tokenizers only those like GPT-2's are supported",
			kind.Type, byteLevelType)
	}
	type plain byteLevel
	return decodeStrict(data, (*plain)(l))
}

type bpeModel struct {
	Type         string    `json:"type"`
	Dropout      *float64  `json:"dropout"`
	Unknown      *string   `json:"unk_token"`
	Prefix       *string   `json:"continuing_subword_prefix"`
	Suffix       *string   `json:"end_of_word_suffix"`
	FuseUnknown  bool      `json:"fuse_unk"`
	ByteFallback bool      `json:"byte_fallback"`
	IgnoreMerges bool      `json:"ignore_merges"`
	Vocab        tokenIDs  `json:"vocab"`
	Merges       mergeList `json:"merges"`
}

const byteLevelType = "ByteLevel"

// mergeList is the pairs of tokens that merge, first things first. Hugging Face tokenizers write a pair as a list of two
// since version 0.20, and read the older "left right" still; so this package writes that one, which all can read.
type mergeList [][2]string

func (m mergeList) MarshalJSON() ([]byte, error) { return encodeJSON(m.lines()), nil }

// lines writes the pairs as "left right".
func (m mergeList) lines() []string {
	lines := make([]string, len(m))
	for i, p := range m {
		lines[i] = p[0] + " " + p[1]
	}
	return lines
}

func (m *mergeList) UnmarshalJSON(data []byte) error {
	var entries []json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return fmt.Errorf(`"merges" is not a list: %v`, err)
	}
	*m = make(mergeList, len(entries))
	for i, entry := range entries {
		var parts []string
		var line string
		if json.Unmarshal(entry, &line) == nil {
			parts = strings.Split(line, " ")
		} else if json.Unmarshal(entry, &parts) != nil {
			return fmt.Errorf(`"merges" entry %d is %s, expected two tokens, as ["a", "b"] or "a b"`, i+1, shorten(string(entry)))
		}
		if len(parts) != 2 {
			return fmt.Errorf(`"merges" entry %d, %s, has %d tokens, expected 2`, i+1, shorten(string(entry)), len(parts))
		}
		(*m)[i] = [2]string(parts)
	}
	return nil
}

// JSON returns the content of tokenizer.json.
func (b *BPE) JSON() []byte {
	yes := true
	stage := &byteLevel{Type: byteLevelType, TrimOffsets: true, UseRegex: &yes}
	return encodeJSON(bpeDocument{
		Version:       formatVersion,
		AddedTokens:   b.added,
		PreTokenizer:  stage,
		PostProcessor: stage,
		Decoder:       stage,
		Model: bpeModel{
			Type:         bpeType,
			IgnoreMerges: b.wholeWords,
			Vocab:        b.fileIDs(),
			Merges:       b.fileMerges(),
		},
	})
}

// parseBPE reads a document whose model is known to be a BPE.
func parseBPE(data []byte) (*BPE, error) {
	var d bpeDocument
	if err := decodeStrict(data, &d); err != nil {
		return nil, fmt.Errorf("not the JSON of a byte-level %s tokenizer: %w", bpeType, located(data, err))
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	b, err := readBPE(d.Model.Vocab, d.Model.Merges, d.AddedTokens, func(i int) string { return fmt.Sprintf(`"merges" entry %d`, i+1) })
	if err != nil {
		return nil, err
	}
	b.wholeWords = d.Model.IgnoreMerges
	if unknown := d.Model.Unknown; unknown != nil && *unknown != "" && !b.hasAllBytes() {
		return nil, fmt.Errorf(`"unk_token" is %q and "vocab" lacks bytes, expected null or all 256: here an unknown byte is an error`, *unknown)
	}
	return b, nil
}

// check returns an error unless the document asks for what BPE does.
func (d *bpeDocument) check() error {
	err := checkHead(d.Version, stage{"truncation", d.Truncation}, stage{"padding", d.Padding}, stage{"normalizer", d.Normalizer})
	if err != nil {
		return err
	}
	if d.PreTokenizer == nil || d.Decoder == nil {
		return fmt.Errorf(`"pre_tokenizer" and "decoder" must be of type %s`, byteLevelType)
	}
	if d.PreTokenizer.AddPrefixSpace {
		return errors.New(`"pre_tokenizer" has "add_prefix_space": true, expected false: here text is encoded as it is`)
	}
	if d.PreTokenizer.UseRegex != nil && !*d.PreTokenizer.UseRegex {
		return errors.New(`"pre_tokenizer" has "use_regex": false, expected true: here words are always split as in GPT-2`)
	}
	if p := d.Model.Dropout; p != nil && *p != 0 {
		return fmt.Errorf(`"dropout" is %v, expected null: here a text has always the same ids`, *p)
	}
	for _, affix := range []struct {
		name  string
		value *string
	}{{"continuing_subword_prefix", d.Model.Prefix}, {"end_of_word_suffix", d.Model.Suffix}} {
		if affix.value != nil && *affix.value != "" {
			return fmt.Errorf("%q is %q, expected null: byte-level tokens have none", affix.name, *affix.value)
		}
	}
	return nil
}
