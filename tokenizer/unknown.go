package tokenizer

import "fmt"

// UnknownWordError says that a text has a word which the vocabulary lacks.
type UnknownWordError struct {
	Word       string
	Position   int    // of the word in the text, counted from 1
	Suggestion string // the most similar word of the vocabulary; empty where none is similar
}

func (e *UnknownWordError) Error() string {
	text := fmt.Sprintf("unknown word %q (word %d): ", shorten(e.Word), e.Position)
	if e.Suggestion == "" {
		return text + "the vocabulary has no word like it"
	}
	return text + fmt.Sprintf("did you mean %q?", e.Suggestion)
}

// shownRunes is how much of a word an error message shows.
const shownRunes = 40

// shorten returns as much of a word as an error message shows.
func shorten(word string) string {
	if runes := []rune(word); len(runes) > shownRunes {
		return string(runes[:shownRunes]) + "…"
	}
	return word
}
