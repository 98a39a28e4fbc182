package tokenizer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// readBPE makes a tokenizer of what files say: tokens and merges in the alphabet of byte-level BPE, and added tokens as
// they appear in text. where names the place of a merge in the file.
func readBPE(ids tokenIDs, merges mergeList, added []addedToken, where func(i int) string) (*BPE, error) {
	made, rules, err := readMerges(ids, merges, where)
	if err != nil {
		return nil, err
	}
	for i, a := range added {
		if err := addToken(ids, a); err != nil {
			return nil, fmt.Errorf(`"added_tokens" entry %d: %w`, i+1, err)
		}
		if bytes, err := fromAlphabet(a.Content); err == nil && bytes != a.Content && made[a.Content] {
			return nil, fmt.Errorf(`"added_tokens" entry %d: %q is also the token of the bytes %q: decoding could not tell which is meant`,
				i+1, a.Content, bytes)
		}
	}
	added = slices.SortedFunc(slices.Values(added), byTokenID)
	tokens, err := ids.byID()
	if err != nil {
		return nil, fmt.Errorf(`"vocab", with "added_tokens", %w`, err)
	}
	next := 0 // of added
	for id, token := range tokens {
		if next < len(added) && added[next].ID == int32(id) {
			next++
			continue
		}
		if token == "" {
			return nil, errors.New(`"vocab" has an empty token`)
		}
		if tokens[id], err = fromAlphabet(token); err != nil {
			return nil, fmt.Errorf(`"vocab" token %q: %w`, shorten(token), err)
		}
	}
	return newBPE(tokens, rules, added), nil
}

func byTokenID(a, b addedToken) int { return cmp.Compare(a.ID, b.ID) }

// readMerges looks the merges up in the vocabulary. It also returns which tokens merges make or have for single bytes.
func readMerges(ids tokenIDs, merges mergeList, where func(i int) string) (made map[string]bool, rules []merge, err error) {
	made = make(map[string]bool, len(ids))
	for char := range charToByte {
		made[string(char)] = true
	}
	first := make(map[[2]string]int, len(merges))
	for i, p := range merges {
		joined := p[0] + p[1]
		for _, token := range []string{p[0], p[1], joined} {
			if _, ok := ids[token]; !ok {
				return nil, nil, fmt.Errorf("%s merges %q and %q, but the vocabulary has no token %q", where(i), p[0], p[1], token)
			}
		}
		if earlier, ok := first[p]; ok {
			return nil, nil, fmt.Errorf("%s merges %q and %q as %s does: expected each merge once", where(i), p[0], p[1], where(earlier))
		}
		first[p] = i
		made[joined] = true
		rules = append(rules, merge{pair{int32(ids[p[0]]), int32(ids[p[1]])}, int32(ids[joined])})
	}
	return made, rules, nil
}

// addToken adds an added token to the vocabulary, where it may be already under the same id.
func addToken(ids tokenIDs, a addedToken) error {
	switch {
	case a.Content == "" || !utf8.ValidString(a.Content):
		return fmt.Errorf("the content is %q, expected text", a.Content)
	case a.SingleWord || a.StripLeft || a.StripRight:
		return fmt.Errorf("%q is single_word, lstrip or rstrip, expected false: here the text around a token stays as it is", a.Content)
	}
	if id, ok := ids[a.Content]; ok && id != int64(a.ID) {
		return fmt.Errorf("%q has the id %d, but in \"vocab\" or before it has %d", a.Content, a.ID, id)
	}
	ids[a.Content] = int64(a.ID)
	return nil
}

// fileIDs returns the ids of the tokens as files write them.
func (b *BPE) fileIDs() tokenIDs {
	ids := make(tokenIDs, len(b.tokens))
	for id, token := range b.fileTokens() {
		ids[token] = int64(id)
	}
	return ids
}

// fileTokens returns the tokens by id as files write them.
func (b *BPE) fileTokens() []string {
	tokens := make([]string, len(b.tokens))
	for id, token := range b.tokens {
		tokens[id] = toAlphabet(token)
	}
	for _, a := range b.added {
		tokens[a.ID] = a.Content
	}
	return tokens
}

// fileMerges returns the merges as files write them.
func (b *BPE) fileMerges() mergeList {
	tokens := b.fileTokens()
	list := make(mergeList, len(b.merges))
	for i, m := range b.merges {
		list[i] = [2]string{tokens[m.left], tokens[m.right]}
	}
	return list
}
