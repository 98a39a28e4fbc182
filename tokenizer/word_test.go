package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trainer/internal/arithmetic"
	"trainer/internal/fault"
)

// calculator returns the tokenizer of the arithmetic vocabulary.
func calculator(t testing.TB) *Word {
	t.Helper()
	w, err := NewWord(arithmetic.Words())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestIDsAreSpecialTokensThenWordsInOrder(t *testing.T) {
	w := calculator(t)
	if w.VocabSize() != 35 {
		t.Errorf("VocabSize is %d, want 35", w.VocabSize())
	}
	for id, want := range map[int32]string{0: "<pad>", 1: "<eos>", 2: "plus", 6: "hundred", 7: "zero", 34: "ninety"} {
		if got := w.Token(id); got != want {
			t.Errorf("Token(%d) = %q, want %q", id, got, want)
		}
		if got, ok := w.ID(want); !ok || got != id {
			t.Errorf("ID(%q) = %d, %t, want %d", want, got, ok, id)
		}
	}
	if w.EOS() != 1 {
		t.Errorf("EOS is %d, want 1", w.EOS())
	}
	if id, ok := w.ID("fourty"); ok {
		t.Errorf("ID of an unknown word is %d", id)
	}
}

func TestBuildWordKeepsTheOrderOfFirstAppearance(t *testing.T) {
	w, err := BuildWord(slices.Values([]string{"b a\tb", "", "c<eos> a  d"}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(w.tokens, " "), "<pad> <eos> b a c d"; got != want {
		t.Errorf("tokens are %q, want %q", got, want)
	}
}

func TestEncodeSplitsAtWhiteSpaceAndSpecialTokens(t *testing.T) {
	w := calculator(t)
	for text, want := range map[string][]int32{
		"":                                  nil,
		" \t\r\n":                           nil,
		"two plus three":                    {9, 2, 10},
		"  two\tplus\r\nthree\u00a0\u3000":  {9, 2, 10},
		"two<eos>":                          {9, 1},
		"<eos><pad>two<eos>three <eos> one": {1, 0, 9, 1, 10, 1, 8},
	} {
		got, err := w.Encode(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Encode(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestDecodeReturnsEveryProblemAndLeavesOutSpecialTokens(t *testing.T) {
	w := calculator(t)
	for _, p := range arithmetic.Problems() {
		text := p.Question() + " " + p.Answer()
		ids, err := w.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Decode(append(ids, w.EOS(), 0)); got != text {
			t.Fatalf("Decode(Encode(%q)) = %q", text, got)
		}
	}
}

func TestTokenOutsideTheVocabularyPanicsWithBothNumbers(t *testing.T) {
	w := calculator(t)
	for _, id := range []int32{-1, 35} {
		func() {
			defer func() {
				want := fmt.Sprintf("token id %d is outside the vocabulary of 35 tokens", id)
				if text := fmt.Sprint(recover()); !strings.Contains(text, want) {
					t.Errorf("recovered %q, want %q", text, want)
				}
			}()
			w.Decode([]int32{id})
		}()
	}
}

func TestNewWordRefusesWhatEncodeCouldNeverFind(t *testing.T) {
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{"one", "two", "one"}, `word 3, "one", appears twice`},
		{[]string{"<pad>"}, `word 1, "<pad>"`},
		{[]string{"<unk>"}, `"<unk>" is reserved`},
		{[]string{""}, `"" is not one word`},
		{[]string{"a b"}, `"a b" is not one word`},
		{[]string{"a "}, `"a " is not one word`},
		{[]string{"a<eos>"}, `"a<eos>" is not one word`},
		{[]string{"a\xff"}, `"a\xff" is not valid UTF-8`},
	} {
		_, err := NewWord(test.words)
		checkDataError(t, err, test.want)
	}
	_, err := BuildWord(slices.Values([]string{"one <unk>"}))
	checkDataError(t, err, `"<unk>" is reserved`)
}

// checkDataError fails unless err is of class data and contains want.
func checkDataError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %s", err, want)
	}
	if code := fault.ExitCode(err); code != fault.ExitData {
		t.Errorf("error %v has exit code %d, want %d", err, code, fault.ExitData)
	}
}

func TestUnknownWordNamesTheWordItsPositionAndTheNearestWord(t *testing.T) {
	w := calculator(t)
	for text, want := range map[string]string{
		"fourty":                   `unknown word "fourty" (word 1): did you mean "forty"?`,
		"two plus  tow":            `unknown word "tow" (word 3): did you mean "two"?`,
		"two<eos>Plus":             `unknown word "Plus" (word 3): did you mean "plus"?`,
		"TWELVE":                   `unknown word "TWELVE" (word 1): did you mean "twelve"?`,
		"senventeen":               `unknown word "senventeen" (word 1): did you mean "seventeen"?`,
		"si":                       `unknown word "si" (word 1): did you mean "six"?`,
		"sevent":                   `unknown word "sevent" (word 1): did you mean "seven"?`, // "seventy" is as near but later
		"<eso>":                    `unknown word "<eso>" (word 1): the vocabulary has no word like it`,
		"2 plus 2":                 `unknown word "2" (word 1): the vocabulary has no word like it`,
		"2 plus 3":                 `unknown words "2" (word 1) and "3" (word 3): the vocabulary has no words like them`,
		"tow plsu x":               `unknown words "tow" (word 1, did you mean "two"?), "plsu" (word 2, did you mean "plus"?) and "x" (word 3)`,
		"1 + 2 + 3 + 4":            `unknown words "1" (word 1), "+" (word 2), "2" (word 3), "3" (word 5) and "4" (word 7): the vocabulary has no words like them`,
		"1 2 3 4 tow 6 7":          `unknown words "1" (word 1), "2" (word 2), "3" (word 3), "4" (word 4), "tow" (word 5, did you mean "two"?) and others`,
		"two divided":              `unknown word "divided" (word 2): the vocabulary has no word like it`,
		strings.Repeat("é", 1<<20): `unknown word "` + strings.Repeat("é", 40) + `…" (word 1): the vocabulary has no word like it`,
	} {
		_, err := w.Encode(text)
		var unknown *UnknownWordsError
		if !errors.As(err, &unknown) || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
