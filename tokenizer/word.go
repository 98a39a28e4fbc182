package tokenizer

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"trainer/internal/fault"
	"trainer/internal/spelling"
)

// unknownToken is what a WordLevel model of Hugging Face puts in the place of an unknown word. The format wants it named;
// it is kept out of the vocabulary, so that an unknown word is an error there as it is here.
const unknownToken = "<unk>"

// specialTokens lists the special tokens by id.
var specialTokens = [...]string{PadToken, EOSToken}

const eosID = 1

// Word is the tokenizer with one token for each word of a text; white space of any kind and amount separates words. The
// ids are 0 for PadToken, 1 for EOSToken, and then the words in the order in which they were given.
type Word struct{ tokenTable }

// NewWord returns the tokenizer of the given words. A word that is given twice, is empty, is not UTF-8, or contains white
// space or a special token is an error of class data.
func NewWord(words []string) (*Word, error) {
	w := newWord()
	for i, word := range words {
		if _, ok := w.ids[word]; ok {
			return nil, fault.Dataf("word %d, %q, appears twice in the vocabulary or is a special token", i+1, word)
		}
		if err := w.add(word); err != nil {
			return nil, fault.Dataf("word %d of the vocabulary: %w", i+1, err)
		}
	}
	return w, nil
}

// BuildWord returns the tokenizer of the words of texts, in the order of their first appearance. A word that is not UTF-8
// or that is reserved is an error of class data.
func BuildWord(texts iter.Seq[string]) (*Word, error) {
	w := newWord()
	for text := range texts {
		for piece := range pieces(text) {
			if _, ok := w.ids[piece]; ok {
				continue
			}
			if err := w.add(piece); err != nil {
				return nil, fault.Dataf("cannot make a vocabulary: %w", err)
			}
		}
	}
	return w, nil
}

// newWord returns a tokenizer that knows the special tokens alone.
func newWord() *Word {
	w := &Word{tokenTable{ids: map[string]int32{}}}
	for _, token := range specialTokens {
		w.append(token)
	}
	return w
}

// add gives a new word the next id, if Encode could ever find it and Hugging Face would agree.
func (w *Word) add(word string) error {
	switch {
	case word == unknownToken:
		return fmt.Errorf("%q is reserved for unknown words, which are errors; rename the word", word)
	case !utf8.ValidString(word):
		return fmt.Errorf("%q is not valid UTF-8", word)
	}
	count, whole := 0, false
	for piece := range pieces(word) {
		count++
		whole = piece == word
	}
	if count != 1 || !whole {
		return fmt.Errorf("%q is not one word: it must not be empty nor contain white space or a special token", word)
	}
	w.append(word)
	return nil
}

func (w *Word) append(token string) {
	w.ids[token] = int32(len(w.tokens))
	w.tokens = append(w.tokens, token)
}

// pieces yields the words and special tokens of a text: what white space separates, cut further at special tokens.
func pieces(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for field := range strings.FieldsSeq(text) {
			for field != "" {
				start, end := findSpecial(field)
				if start > 0 && !yield(field[:start]) {
					return
				}
				if start < end && !yield(field[start:end]) {
					return
				}
				field = field[end:]
			}
		}
	}
}

// findSpecial returns the bounds of the first special token in s, or twice len(s).
func findSpecial(s string) (start, end int) {
	start, end = len(s), len(s)
	for _, token := range specialTokens {
		if i := strings.Index(s, token); i >= 0 && i < start {
			start, end = i, i+len(token)
		}
	}
	return start, end
}

// Encode returns the ids of the words of text. Words that the vocabulary lacks are an *UnknownWordsError; whether that is
// the fault of a data file or of an argument is for the caller to say.
func (w *Word) Encode(text string) ([]int32, error) {
	var ids []int32
	var unknown UnknownWordsError
	position := 0
	for piece := range pieces(text) {
		position++
		id, ok := w.ids[piece]
		switch {
		case ok:
			ids = append(ids, id)
			continue
		case unknown.Has(func(word string) bool { return word == piece }):
			continue
		case len(unknown.Words) == namedWords:
			unknown.More = true
			return nil, &unknown
		}
		unknown.Words = append(unknown.Words, UnknownWord{piece, position, spelling.Nearest(piece, w.tokens[len(specialTokens):])})
	}
	if len(unknown.Words) > 0 {
		return nil, &unknown
	}
	return ids, nil
}

// Decode returns the words of ids with a space between, special tokens left out.
func (w *Word) Decode(ids []int32) string {
	var words []string
	for _, id := range ids {
		if token := w.Token(id); int(id) >= len(specialTokens) {
			words = append(words, token)
		}
	}
	return strings.Join(words, " ")
}

// EOS returns the id of EOSToken.
func (w *Word) EOS() int32 { return eosID }
