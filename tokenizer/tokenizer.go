// Package tokenizer turns text into token ids and back. Text goes in at Tokenizer.Encode, ids come out; a model's answer
// goes back through Decode. A tokenizer lives in two files of a run folder, tokenizer.json and tokenizer_config.json, in
// the layout of Hugging Face tokenizers and transformers, which load them and encode alike.
//
// Start at Tokenizer. Word, one token a word, Char, one a character, and BPE, tokens of one or more bytes, implement it; TrainBPE learns the
// last from text. Load reads one back.
package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// NoToken stands for the id of a token that a tokenizer lacks.
const NoToken = -1

// The special tokens. They are never part of a word, and they stand for themselves where they occur in a text.
const (
	PadToken = "<pad>" // fills up short sequences where a batch must be rectangular
	EOSToken = "<eos>" // ends a sequence
)

// The names of a tokenizer's files in a run folder.
const (
	FileName       = "tokenizer.json"
	ConfigFileName = "tokenizer_config.json"
)

// Tokenizer maps text to token ids, 0 to VocabSize()-1, and back. It is immutable and safe for concurrent use.
type Tokenizer interface {
	// Encode returns the ids of a text, without a final EOS. The error says which part of the text has no token.
	Encode(text string) ([]int32, error)
	// Cut returns the last place in text, a part of a longer one, where the two sides can be encoded on their own: the ids of
	// text up to there, followed by those of the rest and of whatever comes after it, are the ids of the whole. It returns 0
	// where there is no such place. text has to begin where the longer one does, or at such a cut of it.
	Cut(text string) int
	// Decode returns the text of ids and leaves out special tokens. It panics if an id is outside the vocabulary.
	Decode(ids []int32) string
	// Token returns the text of one token, special tokens included. It panics if id is outside the vocabulary.
	Token(id int32) string
	// ID returns the id of a token and whether the vocabulary has it.
	ID(token string) (int32, bool)
	// VocabSize returns the number of tokens, special tokens included.
	VocabSize() int
	// EOS returns the id of the token that ends a sequence, or NoToken: a Char has none, nor have some BPE that were made
	// elsewhere.
	EOS() int32
	// JSON returns the content of tokenizer.json, which Parse reads back.
	JSON() []byte
}

// tokenTable holds the tokens of a tokenizer.
type tokenTable struct {
	tokens []string // by id
	ids    map[string]int32
}

// Token returns the text of the token with the given id. It panics if there is none.
func (t *tokenTable) Token(id int32) string {
	checkID(id, t.tokens)
	return t.tokens[id]
}

// ID returns the id of a token and whether the vocabulary has it.
func (t *tokenTable) ID(token string) (int32, bool) {
	id, ok := t.ids[token]
	return id, ok
}

// VocabSize returns the number of tokens, special and added ones included.
func (t *tokenTable) VocabSize() int { return len(t.tokens) }

// checkID panics unless id is that of one of tokens.
func checkID(id int32, tokens []string) {
	if id < 0 || int(id) >= len(tokens) {
		panic(fmt.Sprintf("tokenizer: token id %d is outside the vocabulary of %d tokens", id, len(tokens)))
	}
}

// ConfigJSON returns the content of tokenizer_config.json, with which transformers.AutoTokenizer loads t. context is the
// longest sequence of the model in tokens; 0 leaves it open.
func ConfigJSON(t Tokenizer, context int) []byte {
	// A name that the vocabulary lacks would get an id of its own there, which the model has no embedding for.
	var pad, eos string
	if _, ok := t.ID(PadToken); ok {
		pad = PadToken
	}
	if id := t.EOS(); id != NoToken {
		eos = t.Token(id)
	}
	return encodeJSON(struct {
		Class   string `json:"tokenizer_class"`
		Pad     string `json:"pad_token,omitempty"`
		EOS     string `json:"eos_token,omitempty"`
		Context int    `json:"model_max_length,omitempty"`
		// The clean-up would remove the space before a full stop from decoded text.
		CleanUp bool `json:"clean_up_tokenization_spaces"`
		// By default the class also returns token type ids, which GPT-2 would add to its input as embeddings.
		Inputs []string `json:"model_input_names"`
	}{
		Class:   "PreTrainedTokenizerFast",
		Pad:     pad,
		EOS:     eos,
		Context: context,
		Inputs:  []string{"input_ids", "attention_mask"},
	})
}

// encodeJSON returns v as indented JSON that keeps <, > and & readable. It panics where v cannot be written, which no
// type of this package causes.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("tokenizer: %v", err))
	}
	return b.Bytes()
}
