package detokenize

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"trainer/tokenizer"
)

// word is a tokenizer of words.
func word(t testing.TB) tokenizer.Tokenizer {
	t.Helper()
	w, err := tokenizer.NewWord([]string{"two", "plus", "equals", "five"})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func encode(t testing.TB, of tokenizer.Tokenizer, text string) []int32 {
	t.Helper()
	ids, err := of.Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestThePiecesAreTheContinuation(t *testing.T) {
	for _, c := range []struct {
		of           tokenizer.Tokenizer
		prompt, text string
	}{
		{tokenizer.NewBytes(), "é", "größer 你好 🙂\x80\xff!"},
		{word(t), "two plus", " two equals five"},
	} {
		prompt, all := encode(t, c.of, c.prompt), encode(t, c.of, c.prompt+c.text)
		s := New(c.of, prompt, nil)
		var pieces strings.Builder
		for _, id := range all[len(prompt):] {
			pieces.WriteString(s.Add(id))
		}
		pieces.WriteString(s.Flush())
		if pieces.String() != c.text || s.Text() != c.text || s.Stopped() {
			t.Errorf("the pieces are %q, the text is %q, want %q", pieces.String(), s.Text(), c.text)
		}
	}
}

func TestACharacterComesAsAWhole(t *testing.T) {
	bytes := tokenizer.NewBytes()
	s := New(bytes, []int32{'x'}, nil)
	var got []string
	for _, id := range encode(t, bytes, "aé你🙂b\xf0\x9f") {
		got = append(got, s.Add(id))
	}
	want := []string{"a", "", "é", "", "", "你", "", "", "", "🙂", "b", "", ""}
	if !slices.Equal(got, want) {
		t.Errorf("pieces are %q, want %q", got, want)
	}
	if rest := s.Flush(); rest != "\xf0\x9f" {
		t.Errorf("at the end %q is left, want the two bytes of no character", rest)
	}
}

func TestTheTextIsCutBeforeTheFirstStopString(t *testing.T) {
	bytes := tokenizer.NewBytes()
	for _, c := range []struct {
		text  string
		stops []string
		want  string
	}{
		{"one. two", []string{"."}, "one"},
		{"one\n\ntwo", []string{"\n\n", "three"}, "one"},
		{"one\ntwo", []string{"\n\n"}, "one\ntwo"},
		{"aaab!", []string{"aab"}, "a"},        // whose beginning comes several times
		{"abcabd", []string{"abd", ""}, "abc"}, // and one that is none
		{"abc", []string{"c", "bc"}, "a"},
		{"end: é", []string{"é"}, "end: "},
		{"half", []string{"halfway"}, "half"},
	} {
		s := New(bytes, []int32{'x'}, c.stops)
		for _, id := range encode(t, bytes, c.text) {
			s.Add(id)
		}
		s.Flush()
		if s.Text() != c.want || s.Stopped() != (c.want != c.text) {
			t.Errorf("%q with the stop strings %q becomes %q, stopped: %v, want %q", c.text, c.stops, s.Text(), s.Stopped(), c.want)
		}
	}
}

// TestNothingIsShownThatIsTakenBack generates at random from few letters, so that beginnings of stop strings abound, and holds the pieces
// against the definition: the text up to the token with which a stop string first occurs.
func TestNothingIsShownThatIsTakenBack(t *testing.T) {
	random, bytes := rand.New(rand.NewPCG(1, 1)), tokenizer.NewBytes()
	letters := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString([]string{"a", "b", "é"}[random.IntN(3)])
		}
		return b.String()
	}
	stopped := 0
	for range 3000 {
		text, stops := letters(random.IntN(12)), []string{letters(1 + random.IntN(4)), letters(1 + random.IntN(4))}
		s := New(bytes, []int32{'x'}, stops)
		var shown strings.Builder
		want := text
		for i, id := range encode(t, bytes, text) {
			shown.WriteString(s.Add(id))
			if !utf8.ValidString(shown.String()) || !strings.HasPrefix(text, shown.String()) {
				t.Fatalf("%q with the stop strings %q: shown is %q", text, stops, shown.String())
			}
			at := len(text)
			for _, stop := range stops {
				if found := strings.Index(text[:i+1], stop); found >= 0 {
					at = min(at, found)
				}
			}
			if at < len(text) {
				want = text[:at]
				stopped++
				break
			}
		}
		shown.WriteString(s.Flush())
		if shown.String() != s.Text() || s.Text() != want || s.Stopped() != (want != text) {
			t.Fatalf("%q with the stop strings %q: shown is %q, the text %q, want %q", text, stops, shown.String(), s.Text(), want)
		}
	}
	if stopped < 1000 {
		t.Errorf("%d texts of 3,000 were stopped: the test needs more", stopped)
	}
}

func BenchmarkAdd(b *testing.B) {
	of := tokenizer.NewBytes()
	s := New(of, []int32{'x'}, []string{"\n\n", "END"})
	for i := range b.N {
		s.Add(int32('a' + i%26))
	}
}
