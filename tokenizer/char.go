package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"trainer/internal/fault"
)

// Char is the tokenizer with one token for each character, a Unicode code point, of a text. It has no special tokens.
type Char struct{ tokenTable }

// BuildChar returns the tokenizer of the characters of a text, in the order of their code points. A text that is empty or not UTF-8 is an error of
// class data.
func BuildChar(text string) (*Char, error) {
	seen := make(map[string]bool)
	for at, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[at:], "\uFFFD") {
			return nil, fault.Dataf("byte %d is not valid UTF-8: expected text, or a tokenizer of bytes", at+1)
		}
		seen[string(r)] = true
	}
	characters := make([]string, 0, len(seen))
	for c := range seen {
		characters = append(characters, c)
	}
	slices.Sort(characters) // bytes of UTF-8 are in the order of code points
	return newChar(characters)
}

func newChar(characters []string) (*Char, error) {
	if len(characters) == 0 {
		return nil, fault.Dataf("there is no character to make a vocabulary of")
	}
	c := &Char{tokenTable{ids: make(map[string]int32)}}
	for i, character := range characters {
		if _, ok := c.ids[character]; ok || utf8.RuneCountInString(character) != 1 || !utf8.ValidString(character) {
			return nil, fault.Dataf("token %d, %q, is not one character of its own", i, character)
		}
		c.ids[character] = int32(i)
		c.tokens = append(c.tokens, character)
	}
	return c, nil
}

// Encode returns the id of each character. The error names the first one that the vocabulary lacks.
func (c *Char) Encode(text string) ([]int32, error) {
	ids := make([]int32, 0, len(text))
	for at := 0; at < len(text); {
		_, size := utf8.DecodeRuneInString(text[at:])
		id, ok := c.ids[text[at:at+size]]
		if !ok {
			line := 1 + strings.Count(text[:at], "\n")
			return nil, fmt.Errorf("unknown character %q (line %d): the vocabulary has only %s", text[at:at+size], line, c.sample())
		}
		ids = append(ids, id)
		at += size
	}
	return ids, nil
}

// sample shows the characters of the vocabulary, or the first of them.
func (c *Char) sample() string {
	const shown = 100
	if len(c.tokens) <= shown {
		return fmt.Sprintf("%q", strings.Join(c.tokens, ""))
	}
	return fmt.Sprintf("%q and %d more", strings.Join(c.tokens[:shown], ""), len(c.tokens)-shown)
}

// Decode returns the text of ids.
func (c *Char) Decode(ids []int32) string {
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(c.Token(id))
	}
	return text.String()
}

// EOS returns NoToken.
func (c *Char) EOS() int32 { return NoToken }
