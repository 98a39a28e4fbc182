package tokenizer

import (
	"slices"
	"strings"
	"testing"
)

// TestTextMayBeCutWhereCutSays cuts texts whose rest is not known yet, with added tokens that have a space or a line feed inside.
func TestTextMayBeCutWhereCutSays(t *testing.T) {
	tokens := append(slices.Clone(NewBytes().tokens), "<a b>", "b>\n<c d", "x")
	added := specials(256)
	for id := 258; id < len(tokens); id++ {
		added = append(added, addedToken{ID: int32(id), Content: tokens[id], Normalized: id%2 == 0})
	}
	spaced := newBPE(tokens, nil, added)
	words, err := NewWord([]string{"a", "b>", "<c", "d", "x"})
	if err != nil {
		t.Fatal(err)
	}
	cuts := 0
	check := func(tokenizer Tokenizer, text string) {
		whole := encode(t, tokenizer, text)
		for end := range len(text) + 1 {
			cut := tokenizer.Cut(text[:end])
			if cut == 0 {
				continue
			}
			cuts++
			if parts := slices.Concat(encode(t, tokenizer, text[:cut]), encode(t, tokenizer, text[cut:])); !slices.Equal(parts, whole) {
				t.Fatalf("%q was cut at byte %d of the first %d: its ids are %d, those of the parts %d", text, cut, end, whole, parts)
			}
		}
	}
	for _, text := range mixedTexts(300) {
		check(spaced, text)
	}
	for _, text := range []string{"<a b> <a b", "a <a b>\n<c d <a b", "x <a\nb>\n<c", "b>\n<c d> x", "日 b>\n<c"} {
		check(spaced, text)
	}
	check(words, "a b> <c<eos> d\n\nx  a")
	if cuts < 1000 {
		t.Errorf("only %d cuts were tried", cuts)
	}
}

func TestCutFindsTheLastPlace(t *testing.T) {
	words, err := NewWord([]string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a b c", "日本。\n日本", strings.Repeat("a ", 100) + "a"} {
		want := strings.LastIndexAny(text, " \n")
		for _, tokenizer := range []Tokenizer{NewBytes(), words} {
			if got := tokenizer.Cut(text); got != want {
				t.Errorf("%T cuts %q at %d, want %d", tokenizer, text, got, want)
			}
		}
	}
	if got := NewBytes().Cut("unbroken"); got != 0 {
		t.Errorf("a word is cut at %d", got)
	}
}
