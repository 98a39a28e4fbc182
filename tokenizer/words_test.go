package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// words returns the words of a text.
func words(text string) []string {
	var list []string
	for text != "" {
		n := wordLength(text)
		list = append(list, text[:n])
		text = text[n:]
	}
	return list
}

func TestWordsAreSplitAsInGPT2(t *testing.T) {
	for text, want := range map[string]string{
		"Hello, world":         "Hello|,| world",
		"Hello world  ":        "Hello| world|  ",
		"a  b":                 "a| | b",
		"a\n\nb":               "a|\n|\n|b",
		"a \n b":               "a| \n| b",
		"a\tb":                 "a|\t|b",
		"a\u00a0b":             "a|\u00a0|b",
		"a\u3000\u3000b":       "a|\u3000|\u3000|b",
		" \u00a0":              " \u00a0",
		"it's we'll they'd've": "it|'s| we|'ll| they|'d|'ve",
		"IT'S":                 "IT|'|S",
		"'sand":                "'s|and",
		" 'sand":               " '|sand",
		"!'s":                  "!'|s",
		"'l 'lx 'r 'vx '":      "'|l| '|lx| '|r| '|vx| '",
		"'l":                   "'|l",
		"''s":                  "''|s",
		"abc123½x²":            "abc|123½|x|²",
		" 12 34":               " 12| 34",
		"x=-1":                 "x|=-|1",
		"naïve Σοφία 日本語です":    "naïve| Σοφία| 日本語です",
		"e\u0301":              "e|\u0301", // a combining accent is a mark, no letter
		"a\xff\xfeb":           "a|\xff\xfe|b",
		" \xff":                " \xff",
		"🙂 🙂🙂":                 "🙂| 🙂🙂",
		"\u200b ":              "\u200b| ",
		" ":                    " ",
		"":                     "",
	} {
		if got := strings.Join(words(text), "|"); got != want {
			t.Errorf("%q is split into %q, want %q", text, got, want)
		}
	}
}

// slowWords matches the alternatives of the pattern one after the other at each place, as it is written.
func slowWords(text string) []string {
	isLetter := func(r rune) bool { return unicode.IsLetter(r) || unicode.Is(newLetters, r) }
	isNumber := func(r rune) bool { return unicode.IsNumber(r) || unicode.Is(newNumbers, r) }
	isOther := func(r rune) bool { return !isLetter(r) && !isNumber(r) && !unicode.IsSpace(r) }
	// many returns the end of the longest run from i on, i if there is none.
	many := func(s string, i int, in func(rune) bool) int {
		for i < len(s) {
			r, size := utf8.DecodeRuneInString(s[i:])
			if !in(r) {
				break
			}
			i += size
		}
		return i
	}
	match := func(s string) int {
		for _, c := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
			if strings.HasPrefix(s, c) {
				return len(c)
			}
		}
		for _, in := range []func(rune) bool{isLetter, isNumber, isOther} {
			for _, begin := range []string{" ", ""} {
				if end := many(s, len(begin), in); strings.HasPrefix(s, begin) && end > len(begin) {
					return end
				}
			}
		}
		spaces := many(s, 0, unicode.IsSpace)
		for end := spaces; end > 0; {
			// (?!\S): what follows is white space or nothing.
			if end == len(s) || end < spaces {
				return end
			}
			_, size := utf8.DecodeLastRuneInString(s[:end])
			end -= size
		}
		return spaces
	}
	var list []string
	for text != "" {
		n := match(text)
		list = append(list, text[:n])
		text = text[n:]
	}
	return list
}

// checkWords fails unless text is split as the pattern says, and its parts at a safe cut as the whole.
func checkWords(t *testing.T, text string) {
	t.Helper()
	got := words(text)
	if want := slowWords(text); !slices.Equal(got, want) {
		t.Fatalf("%q is split into %q, want %q", text, got, want)
	}
	for end := range len(text) + 1 {
		if cut := safeCut(text[:end]); cut >= 0 && !slices.Equal(slices.Concat(words(text[:cut]), words(text[cut:])), got) {
			t.Fatalf("%q must not be cut at byte %d: its words are %q", text, cut, got)
		}
	}
}

func TestWordsAreTheMatchesOfThePattern(t *testing.T) {
	for _, text := range mixedTexts(3000) {
		checkWords(t, text)
	}
}

func FuzzPretokenize(f *testing.F) {
	for _, text := range mixedTexts(50) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 1000 {
			checkWords(t, text)
		}
	})
}

func TestSafeCutsAreFoundInProse(t *testing.T) {
	for text, want := range map[string]int{
		"": -1, "abc": -1, " abc": -1, "a b": 1, "a b c": 3, "a\nb": 1, "a  b": 1, "a\r\nb": -1, "a\u00a0 b": -1, "日 b": 3, "。\n日": 3, "a.\n\n b": 2,
		"\x80 b": -1, "\ufffd b": 3, "\u3000 b": -1,
	} {
		if got := safeCut(text); got != want {
			t.Errorf("safeCut(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestClassesAreThoseOfUnicode16(t *testing.T) {
	counts := map[class]int{}
	for _, c := range classes {
		counts[c]++
	}
	// DerivedGeneralCategory-16.0.0.txt has 141,028 code points of L* and 1,911 of N*; PropList-16.0.0.txt has 25 of White_Space.
	for c, want := range map[class]int{letter: 141028, number: 1911, space: 25} {
		if counts[c] != want {
			t.Errorf("class %d has %d characters, want %d", c, counts[c], want)
		}
	}
}
