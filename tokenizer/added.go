package tokenizer

import (
	"iter"
	"slices"
	"strings"
)

// segment is a piece of a text: an added token, or text between them, whose id is NoToken.
type segment struct {
	text string
	id   int32
}

// segments yields the added tokens of a text and what lies between. Where two begin at the same place the longer one counts.
func (b *BPE) segments(text string) iter.Seq[segment] {
	return func(yield func(segment) bool) {
		for outer := range b.matchers[0].split(text) {
			if outer.id != NoToken {
				if !yield(outer) {
					return
				}
				continue
			}
			for inner := range b.matchers[1].split(outer.text) {
				if !yield(inner) {
					return
				}
			}
		}
	}
}

// matcherOf returns which of the two matchers looks for a token. Hugging Face tokenizers cut out the tokens that a
// normalizer would leave alone before the others, even where another one begins further left.
func matcherOf(a addedToken) int {
	if a.Normalized {
		return 1
	}
	return 0
}

// addedMatcher finds added tokens in a text.
type addedMatcher struct {
	byFirst [256][]segment // the tokens that begin with a byte, longest first
	firsts  string         // the bytes that tokens begin with
}

func (m *addedMatcher) add(a addedToken) {
	first := a.Content[0]
	list := append(m.byFirst[first], segment{a.Content, a.ID})
	slices.SortStableFunc(list, func(a, b segment) int { return len(b.text) - len(a.text) })
	m.byFirst[first] = list
	if strings.IndexByte(m.firsts, first) < 0 {
		m.firsts += string([]byte{first})
	}
}

// split yields the tokens that are found in text, left to right, and what lies between.
func (m *addedMatcher) split(text string) iter.Seq[segment] {
	return func(yield func(segment) bool) {
		for text != "" {
			start, found := m.find(text)
			if start > 0 && !yield(segment{text[:start], NoToken}) {
				return
			}
			if found.text != "" && !yield(found) {
				return
			}
			text = text[start+len(found.text):]
		}
	}
}

// find returns where the first token of text begins, and the token; len(text) and an empty one if there is none.
func (m *addedMatcher) find(text string) (int, segment) {
	for i := 0; i < len(text); i++ {
		next := m.next(text[i:])
		if next < 0 {
			break
		}
		i += next
		for _, token := range m.byFirst[text[i]] {
			if strings.HasPrefix(text[i:], token.text) {
				return i, token
			}
		}
	}
	return len(text), segment{}
}

// next returns the index of the first byte of text with which a token begins, or -1.
func (m *addedMatcher) next(text string) int {
	if len(m.firsts) == 1 {
		return strings.IndexByte(text, m.firsts[0]) // mostly <, and much faster than a loop
	}
	if m.firsts == "" {
		return -1
	}
	for i := range len(text) {
		if m.byFirst[text[i]] != nil {
			return i
		}
	}
	return -1
}
