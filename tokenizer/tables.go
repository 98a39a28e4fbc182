package tokenizer

import "errors"

// Tables are what another implementation of byte-level BPE needs to encode as a tokenizer of this package does: the content of GPT-2's vocab.json
// and merges.txt, in the alphabet that stands for bytes by printable characters.
type Tables struct {
	Tokens  []string // by id; special tokens and others that were added are as in a text
	Merges  []string // "left right", by rank
	Added   []bool   // by id: the token is cut out of a text before anything else
	Special []bool   // by id: Decode leaves it out
}

// ErrNotByteLevel says that a tokenizer cuts text in a way that no tables of byte-level BPE can.
var ErrNotByteLevel = errors.New("it does not cut text as byte-level BPE does")

// TablesOf returns the tables of a tokenizer: of a BPE, and of a Char, whose characters of several bytes have merges that make them of these. For
// others, and a BPE that does not take apart words that are tokens, the error is ErrNotByteLevel.
func TablesOf(t Tokenizer) (*Tables, error) {
	switch t := t.(type) {
	case *BPE:
		return t.tables()
	case *Char:
		return t.tables(), nil
	}
	return nil, ErrNotByteLevel
}

func (b *BPE) tables() (*Tables, error) {
	if b.wholeWords {
		return nil, ErrNotByteLevel
	}
	t := &Tables{Tokens: b.fileTokens(), Merges: b.fileMerges().lines(), Added: make([]bool, len(b.tokens)), Special: b.special}
	for _, a := range b.added {
		t.Added[a.ID] = true
	}
	return t, nil
}

// tables merges the bytes of a character from the first on. Bytes that begin a character begin no other part of one, so that in a text nothing
// else is merged.
func (c *Char) tables() *Tables {
	t := &Tables{Added: make([]bool, len(c.tokens)), Special: make([]bool, len(c.tokens))}
	seen := make(map[string]bool)
	for _, character := range c.tokens {
		t.Tokens = append(t.Tokens, toAlphabet(character))
		for n := 1; n < len(character); n++ {
			merge := toAlphabet(character[:n]) + " " + toAlphabet(character[n:n+1])
			if !seen[merge] {
				seen[merge] = true
				t.Merges = append(t.Merges, merge)
			}
		}
	}
	return t
}
