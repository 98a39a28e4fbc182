package tokenizer

import (
	"io"
	"strings"

	"trainer/internal/fault"
)

// BPETrainer learns a vocabulary of byte-level BPE. Add counts the words of texts; Train finds the merges. The zero value
// has seen no text.
type BPETrainer struct {
	index  map[string]int32 // of words in the fields below
	words  []string
	counts []int64
}

// blockSize is how many bytes of a text Add reads at a time.
const blockSize = 256 << 10

// Add counts the words of a text. It keeps the different words and one block of text in memory, however long the text; only
// a stretch without a space or line feed has to fit as a whole. The texts of special tokens are left out, as Encode cuts
// them out too. The error is that of reading, of class data.
func (t *BPETrainer) Add(text io.Reader) error {
	var matcher addedMatcher
	for _, token := range specials(0) {
		matcher.add(token)
	}
	block := make([]byte, 0, blockSize)
	for {
		n, err := io.ReadFull(text, block[len(block):cap(block)])
		block = block[:len(block)+n]
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return fault.Dataf("cannot read the text: %w", err)
		}
		whole := string(block)
		end := len(whole)
		if !last {
			end = safeCut(whole) // never within a special token: they have no white space
		}
		if end < 0 {
			block = append(make([]byte, 0, 2*cap(block)), block...)
			continue
		}
		for s := range matcher.split(whole[:end]) {
			if s.id == NoToken {
				t.count(s.text)
			}
		}
		if last {
			return nil
		}
		block = append(block[:0], whole[end:]...)
	}
}

// count counts the words of a piece of text.
func (t *BPETrainer) count(text string) {
	if t.index == nil {
		t.index = make(map[string]int32)
	}
	for text != "" {
		n := wordLength(text)
		word := text[:n]
		text = text[n:]
		i, ok := t.index[word]
		if !ok {
			i = int32(len(t.words))
			word = strings.Clone(word) // the rest of the block need not be kept
			t.index[word] = i
			t.words, t.counts = append(t.words, word), append(t.counts, 0)
		}
		t.counts[i]++
	}
}
