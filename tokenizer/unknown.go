package tokenizer

import (
	"fmt"
	"strings"
)

// UnknownWordsError says that a text has words which the vocabulary lacks.
type UnknownWordsError struct {
	Words []UnknownWord // each once, the first of them
	More  bool          // there are others
}

// UnknownWord is a word that the vocabulary lacks.
type UnknownWord struct {
	Word       string
	Position   int    // of the word in the text, counted from 1
	Suggestion string // the most similar word of the vocabulary; empty where none is similar
}

// namedWords is how many unknown words of a text are named.
const namedWords = 5

func (e *UnknownWordsError) Error() string {
	if len(e.Words) == 1 {
		w := e.Words[0]
		text := fmt.Sprintf("unknown word %q (word %d): ", shorten(w.Word), w.Position)
		if w.Suggestion == "" {
			return text + "the vocabulary has no word like it"
		}
		return text + fmt.Sprintf("did you mean %q?", w.Suggestion)
	}
	var list []string
	similar := false
	for _, w := range e.Words {
		text := fmt.Sprintf("%q (word %d", shorten(w.Word), w.Position)
		if w.Suggestion != "" {
			similar = true
			text += fmt.Sprintf(", did you mean %q?", w.Suggestion)
		}
		list = append(list, text+")")
	}
	last := len(list) - 1
	text := "unknown words " + strings.Join(list[:last], ", ") + " and " + list[last]
	if e.More {
		text = "unknown words " + strings.Join(list, ", ") + " and others"
	}
	if !similar {
		text += ": the vocabulary has no words like them"
	}
	return text
}

// Has says whether one of the words that are named is such a one.
func (e *UnknownWordsError) Has(such func(word string) bool) bool {
	for _, w := range e.Words {
		if such(w.Word) {
			return true
		}
	}
	return false
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
