package tokenizer

import (
	"slices"
	"strings"
	"sync"
)

// endings are the names under which a byte-level tokenizer marks the end of a sequence, the first that is there counts:
// this package's, GPT-2's, and those of RoBERTa and Llama. tokenizer.json does not say which special token has that role.
var endings = [...]string{EOSToken, "<|endoftext|>", "</s>", "<|end_of_text|>"}

// BPE is the tokenizer of byte-level byte pair encoding, as in GPT-2 (Radford et al. 2019, section 2.2; Sennrich et al.
// 2016): each byte has a token, and frequent neighbours are merged into longer ones, within words. It encodes any bytes,
// and Decode returns them. TrainBPE learns one from text, NewBytes returns the one without merges.
//
// An added token, special tokens among them, is cut out of the text before anything else and stands for itself.
type BPE struct {
	tokenTable              // tokens are the bytes they stand for, or the names of special tokens
	byteIDs    [256]int32   // of the tokens of one byte; NoToken where the vocabulary lacks it
	added      []addedToken // by id
	special    []bool       // by id
	eos        int32
	matchers   [2]addedMatcher // of added tokens; what the first finds is cut out first

	merges     []merge // by rank
	ranks      map[pair]int32
	wholeWords bool // a word that is a token is not taken apart ("ignore_merges")

	encoders sync.Pool // of *encoder, whose caches are worth keeping
}

// pair is two neighbouring tokens, by id.
type pair struct{ left, right int32 }

// merge replaces a pair by one token.
type merge struct {
	pair
	id int32
}

// NewBytes returns the tokenizer with one token for each byte, whose ids are the bytes themselves, and the special tokens
// PadToken, 256, and EOSToken, 257.
func NewBytes() *BPE {
	tokens := make([]string, 256, 256+len(specialTokens))
	for b := range tokens {
		tokens[b] = string([]byte{byte(b)})
	}
	return newBPE(append(tokens, specialTokens[:]...), nil, specials(int32(len(tokens))))
}

// newBPE returns the tokenizer of the given tokens, by id and as bytes; merges, by rank and without repeats; and added
// tokens, by id, which are among tokens.
func newBPE(tokens []string, merges []merge, added []addedToken) *BPE {
	b := &BPE{
		tokenTable: tokenTable{tokens, make(map[string]int32, len(tokens))}, added: added, special: make([]bool, len(tokens)),
		merges: merges, ranks: make(map[pair]int32, len(merges)), eos: NoToken,
	}
	for i := range b.byteIDs {
		b.byteIDs[i] = NoToken
	}
	for id, token := range tokens {
		b.ids[token] = int32(id)
		if len(token) == 1 {
			b.byteIDs[token[0]] = int32(id)
		}
	}
	for _, a := range added {
		b.ids[a.Content] = a.ID // rather than that of an ordinary token of the same bytes, which no text has then
		b.special[a.ID] = a.Special
		b.matchers[matcherOf(a)].add(a)
	}
	for rank, m := range merges {
		b.ranks[m.pair] = int32(rank)
	}
	for _, name := range endings {
		if i := slices.IndexFunc(added, func(a addedToken) bool { return a.Content == name }); i >= 0 {
			b.eos = added[i].ID
			break
		}
	}
	b.encoders.New = func() any { return newEncoder(b) }
	return b
}

// Decode returns the bytes of ids, special tokens left out. They need not be UTF-8: a model may stop within a character.
func (b *BPE) Decode(ids []int32) string {
	var text strings.Builder
	for _, id := range ids {
		if token := b.Token(id); !b.special[id] {
			text.WriteString(token)
		}
	}
	return text.String()
}

// EOS returns the id of the added token that ends a sequence: the first of <eos>, <|endoftext|>, </s> and <|end_of_text|>
// that is there, or NoToken.
func (b *BPE) EOS() int32 { return b.eos }
