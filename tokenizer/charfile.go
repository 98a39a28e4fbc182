package tokenizer

import (
	"errors"
	"fmt"
	"reflect"
)

// charDocument is the layout of tokenizer.json with a WordLevel model whose words are single characters.
type charDocument struct {
	Version       string       `json:"version"`
	Truncation    any          `json:"truncation"`
	Padding       any          `json:"padding"`
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    any          `json:"normalizer"`
	PreTokenizer  *split       `json:"pre_tokenizer"`
	PostProcessor any          `json:"post_processor"`
	Decoder       *component   `json:"decoder"`
	Model         wordLevel    `json:"model"`
}

// split cuts a text where a pattern matches.
type split struct {
	Type    string `json:"type"`
	Pattern struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`
}

// everyCharacter cuts a text into its characters.
func everyCharacter() *split {
	s := &split{Type: splitType, Behavior: "Isolated"}
	s.Pattern.Regex = `[\s\S]`
	return s
}

const (
	splitType = "Split"
	fuse      = "Fuse" // joins tokens without a space
)

// JSON returns the content of tokenizer.json.
func (c *Char) JSON() []byte {
	return encodeJSON(charDocument{
		Version:      formatVersion,
		AddedTokens:  []addedToken{},
		PreTokenizer: everyCharacter(),
		Decoder:      &component{fuse},
		Model:        wordLevel{wordLevelType, c.tokens, unknownToken},
	})
}

// parseChar reads a document whose model is known to be a WordLevel, and its pre-tokenizer a Split.
func parseChar(data []byte) (*Char, error) {
	var d charDocument
	if err := decodeStrict(data, &d); err != nil {
		return nil, fmt.Errorf("not the JSON of a %s tokenizer: %w", wordLevelType, located(data, err))
	}
	if err := checkHead(d.Version, stage{"truncation", d.Truncation}, stage{"padding", d.Padding}, stage{"normalizer", d.Normalizer},
		stage{"post_processor", d.PostProcessor}); err != nil {
		return nil, err
	}
	switch {
	case !reflect.DeepEqual(d.PreTokenizer, everyCharacter()):
		return nil, fmt.Errorf(`"pre_tokenizer" is %+v, expected %+v: a token for each character`, *d.PreTokenizer, *everyCharacter())
	case d.Decoder == nil || d.Decoder.Type != fuse:
		return nil, fmt.Errorf(`"decoder" must be of type %s`, fuse)
	case d.Model.Unknown != unknownToken:
		return nil, fmt.Errorf(`"unk_token" is %q, expected %q: here an unknown character is always an error`, d.Model.Unknown, unknownToken)
	case len(d.AddedTokens) > 0:
		return nil, errors.New(`"added_tokens" is not empty: a tokenizer of characters has none`)
	}
	return newChar(d.Model.Vocab)
}
