package tokenizer

import "fmt"

// UnknownWordError says that a text has a word which the vocabulary lacks.
type UnknownWordError struct {
	Word       string
	Position   int    // of the word in the text, counted from 1
	Suggestion string // the most similar word of the vocabulary; empty where none is similar
}

// shownRunes is how much of a word an error message shows.
const shownRunes = 40

func (e *UnknownWordError) Error() string {
	word := e.Word
	if runes := []rune(word); len(runes) > shownRunes {
		word = string(runes[:shownRunes]) + "…"
	}
	text := fmt.Sprintf("unknown word %q (word %d): ", word, e.Position)
	if e.Suggestion == "" {
		return text + "the vocabulary has no word like it"
	}
	return text + fmt.Sprintf("did you mean %q?", e.Suggestion)
}
