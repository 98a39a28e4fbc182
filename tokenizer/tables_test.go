package tokenizer

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// mergeByTables encodes a text by tables alone, as the paper on BPE has it: of all neighbours the pair of the lowest rank, until none is left. Words
// are whole.
func mergeByTables(t *testing.T, tables *Tables, word string) []int32 {
	t.Helper()
	var parts []string
	for _, char := range []byte(word) {
		parts = append(parts, toAlphabet(string([]byte{char})))
	}
	for {
		best, at := len(tables.Merges), -1
		for i := range len(parts) - 1 {
			if rank := slices.Index(tables.Merges, parts[i]+" "+parts[i+1]); rank >= 0 && rank < best {
				best, at = rank, i
			}
		}
		if at < 0 {
			break
		}
		parts = slices.Replace(parts, at, at+2, parts[at]+parts[at+1])
	}
	var ids []int32
	for _, part := range parts {
		id := slices.Index(tables.Tokens, part)
		if id < 0 {
			t.Fatalf("%q: there is no token %q", word, part)
		}
		ids = append(ids, int32(id))
	}
	return ids
}

func TestTablesEncodeAsTheirTokenizerDoes(t *testing.T) {
	text := "hello Wörld, €100! 😀 ελλ"
	letters, err := BuildChar(text)
	if err != nil {
		t.Fatal(err)
	}
	var learner BPETrainer
	if err := learner.Add(strings.NewReader(strings.Repeat(text, 3))); err != nil {
		t.Fatal(err)
	}
	learned := learner.Train(280, 2)
	if len(learned.merges) < 10 {
		t.Fatalf("only %d merges were learned", len(learned.merges))
	}
	for name, tokenizer := range map[string]Tokenizer{"char": letters, "bytes": NewBytes(), "bpe": learned} {
		tables, err := TablesOf(tokenizer)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, word := range []string{"hello", " Wörld", "€", " 😀", "ελλ", text} {
			if name == "bpe" && word == text {
				continue // which is several words
			}
			want, err := tokenizer.Encode(word)
			if err != nil {
				t.Fatal(err)
			}
			if got := mergeByTables(t, tables, word); !slices.Equal(got, want) {
				t.Errorf("%s: %q is %v by its tables, want %v", name, word, got, want)
			}
		}
		for id := range tables.Tokens {
			if special := name != "char" && (tokenizer.Token(int32(id)) == PadToken || tokenizer.Token(int32(id)) == EOSToken); tables.Special[id] != special ||
				tables.Added[id] != special {
				t.Errorf("%s: token %d, %q: special %v, added %v", name, id, tables.Tokens[id], tables.Special[id], tables.Added[id])
			}
		}
	}
}

func TestTokenizersThatAreNoByteLevelBPEHaveNoTables(t *testing.T) {
	words, err := NewWord([]string{"one"})
	if err != nil {
		t.Fatal(err)
	}
	whole := NewBytes()
	whole.wholeWords = true
	for _, tokenizer := range []Tokenizer{words, whole} {
		if _, err := TablesOf(tokenizer); !errors.Is(err, ErrNotByteLevel) {
			t.Errorf("%T: error %v", tokenizer, err)
		}
	}
}
