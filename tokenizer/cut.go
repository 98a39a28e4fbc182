package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Cut returns the last place where a part of a longer text can be cut, or 0, see Tokenizer: before a space or line feed that
// follows something else, unless an added token may go on there.
func (b *BPE) Cut(text string) int {
	for end := len(text); ; {
		cut := safeCut(text[:end])
		if cut <= 0 {
			return 0
		}
		if !b.isWithinAdded(text, cut) {
			return cut
		}
		end = cut
	}
}

// isWithinAdded returns whether an added token could begin before a place in text and end behind it, or behind text.
func (b *BPE) isWithinAdded(text string, at int) bool {
	for _, a := range b.added {
		for i := safeCut(a.Content); i > 0; i = safeCut(a.Content[:i]) {
			before, after := a.Content[:i], a.Content[i:]
			if strings.HasSuffix(text[:at], before) && (strings.HasPrefix(text[at:], after) || strings.HasPrefix(after, text[at:])) {
				return true
			}
		}
	}
	return false
}

// Cut returns the last place where a part of a longer text can be cut, or 0, see Tokenizer: before white space.
func (w *Word) Cut(text string) int { return max(0, strings.LastIndexAny(text, " \n")) }

// Cut returns the last place where a part of a longer text can be cut, or 0, see Tokenizer: before its last character.
func (c *Char) Cut(text string) int {
	for i := len(text) - 1; i > 0; i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return 0
}
