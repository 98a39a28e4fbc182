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
	scripts := "日本。\n日本 ab\u0301\U0001F642c"
	characters, err := BuildChar(scripts)
	if err != nil {
		t.Fatal(err)
	}
	check(characters, scripts)
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
	characters, err := BuildChar("a日")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tokenizer Tokenizer
		text      string
		want      int
	}{{NewBytes(), "unbroken", 0}, {words, "unbroken", 0}, {characters, "a日", 1}, {characters, "日\xe6\x97", 3}, {characters, "日", 0}} {
		if got := c.tokenizer.Cut(c.text); got != c.want {
			t.Errorf("%T cuts %q at %d, want %d", c.tokenizer, c.text, got, c.want)
		}
	}
}
