package tokenizer

import "fmt"

// wordDocument is the layout of tokenizer.json with a WordLevel model.
type wordDocument struct {
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

type component struct {
	Type string `json:"type"`
}

type wordLevel struct {
	Type    string     `json:"type"`
	Vocab   vocabulary `json:"vocab"`
	Unknown string     `json:"unk_token"`
}

const splitWhitespace = "WhitespaceSplit"

// JSON returns the content of tokenizer.json.
func (w *Word) JSON() []byte {
	return encodeJSON(wordDocument{
		Version:      formatVersion,
		AddedTokens:  specials(0),
		PreTokenizer: &component{splitWhitespace},
		Model:        wordLevel{wordLevelType, w.tokens, unknownToken},
	})
}

// parseWord reads a document whose model is known to be a WordLevel.
func parseWord(data []byte) (*Word, error) {
	var d wordDocument
	if err := decodeStrict(data, &d); err != nil {
		return nil, fmt.Errorf("not the JSON of a %s tokenizer: %w", wordLevelType, located(data, err))
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return NewWord(d.Model.Vocab[len(specialTokens):])
}

// check returns an error unless the document asks for exactly what Word does.
func (d *wordDocument) check() error {
	if err := checkHead(d.Version, stage{"truncation", d.Truncation}, stage{"padding", d.Padding}, stage{"normalizer", d.Normalizer},
		stage{"post_processor", d.PostProcessor}, stage{"decoder", d.Decoder}); err != nil {
		return err
	}
	if d.PreTokenizer == nil || d.PreTokenizer.Type != splitWhitespace {
		return fmt.Errorf(`"pre_tokenizer" must be of type %s`, splitWhitespace)
	}
	if d.Model.Unknown != unknownToken {
		return fmt.Errorf(`"unk_token" is %q, expected %q: here an unknown word is always an error`, d.Model.Unknown, unknownToken)
	}
	want := specials(0)
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
