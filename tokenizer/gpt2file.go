package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"trainer/internal/fault"
)

// The names of GPT-2's files as Hugging Face transformers has them.
const (
	VocabName  = "vocab.json"
	MergesName = "merges.txt"
)

// gpt2Files gives the file with the merges for each name of the file with the vocabulary. The second pair is OpenAI's.
var gpt2Files = map[string]string{VocabName: MergesName, "encoder.json": "vocab.bpe"}

// mergesVersion begins the first line of the file with the merges.
const mergesVersion = "#version"

// GPT2Files returns the contents of vocab.json and merges.txt. They do not say which tokens are special: Load takes those
// that no merge makes.
func (b *BPE) GPT2Files() (vocab, merges []byte) {
	var text bytes.Buffer
	text.WriteString(mergesVersion + ": 0.2\n")
	for _, p := range b.fileMerges() {
		fmt.Fprintf(&text, "%s %s\n", p[0], p[1])
	}
	return encodeJSON(b.fileIDs()), text.Bytes()
}

// loadGPT2 reads a vocabulary and merges in GPT-2's layout.
func loadGPT2(vocabPath, mergesPath string) (*BPE, error) {
	vocab, err := readFile(vocabPath)
	if err != nil {
		return nil, err
	}
	text, err := readFile(mergesPath)
	if err != nil {
		return nil, err
	}
	return parseGPT2(vocab, text, vocabPath, mergesPath)
}

// parseGPT2 returns the tokenizer of the contents of the two files; the names stand for them in errors, which are of class data.
func parseGPT2(vocab, text []byte, vocabName, mergesName string) (*BPE, error) {
	ids, err := parseVocab(vocab)
	if err != nil {
		return nil, fault.Dataf("%s: %w", vocabName, err)
	}
	merges, first, err := parseMerges(text)
	if err != nil {
		return nil, fault.Dataf("%s: %w", mergesName, err)
	}
	b, err := readBPE(ids, merges, unmade(ids, merges), func(i int) string { return fmt.Sprintf("line %d", i+first) })
	if err != nil {
		return nil, fault.Dataf("%s with %s: %w", vocabName, filepath.Base(mergesName), err)
	}
	return b, nil
}

func parseVocab(data []byte) (tokenIDs, error) {
	if err := checkText(data); err != nil {
		return nil, err
	}
	var ids map[string]int64
	if err := json.Unmarshal(data, &ids); err != nil {
		return nil, fmt.Errorf("not the JSON of a vocabulary, a map from tokens to ids: %w", located(data, err))
	}
	if _, err := tokenIDs(ids).byID(); err != nil {
		return nil, fmt.Errorf("the vocabulary %w", err)
	}
	if _, ok := ids[""]; ok {
		return nil, errors.New("the vocabulary has an empty token")
	}
	return ids, nil
}

// parseMerges reads merges, one a line. It returns the number of the line with the first: the first line may be the version.
func parseMerges(data []byte) (merges mergeList, first int, err error) {
	if err := checkText(data); err != nil {
		return nil, 0, err
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	first = 1
	if strings.HasPrefix(lines[0], mergesVersion) {
		lines, first = lines[1:], 2
	}
	for i, line := range lines {
		parts := strings.Split(strings.TrimSuffix(line, "\r"), " ")
		if len(parts) != 2 {
			return nil, 0, fmt.Errorf("line %d is %q, expected two tokens with a space between", i+first, shorten(line))
		}
		merges = append(merges, [2]string(parts))
	}
	return merges, first, nil
}

// unmade returns the tokens that are neither a byte nor made by a merge, as special tokens: no text has them otherwise.
func unmade(ids tokenIDs, merges mergeList) []addedToken {
	made := make(map[string]bool, len(merges))
	for _, p := range merges {
		made[p[0]+p[1]] = true
	}
	var list []addedToken
	for token, id := range ids {
		char, size := utf8.DecodeRuneInString(token)
		_, isByte := charToByte[char]
		if !made[token] && !(isByte && size == len(token)) {
			list = append(list, addedToken{ID: int32(id), Content: token, Special: true})
		}
	}
	return slices.SortedFunc(slices.Values(list), byTokenID)
}
