package train

import (
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/train/examples"
)

func parsed(t *testing.T, text string) []examples.Example {
	t.Helper()
	list, err := examples.Parse(strings.NewReader(text), "data.txt")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDatasetPredictsTheAnswerAndItsEnd(t *testing.T) {
	words := calculatorWords(t)
	d := dataset(t, words, parsed(t, "two plus thirty equals thirty two\n"), 12)
	ids := func(text string) []int32 {
		list, err := words.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	s := d.sequences[0]
	if want := ids("two plus thirty equals thirty two"); !slices.Equal(s.inputs, want) {
		t.Errorf("inputs are %v, want %v", s.inputs, want)
	}
	if want := append(ids("plus thirty equals thirty two"), words.EOS()); !slices.Equal(s.targets, want) {
		t.Errorf("targets are %v, want %v", s.targets, want)
	}
	if want := append([]int32{-1, -1, -1}, append(ids("thirty two"), words.EOS())...); !slices.Equal(s.answers, want) {
		t.Errorf("answers are %v, want %v", s.answers, want)
	}
	if s.wanted != 3 || d.Tokens() != 6 || d.Len() != 1 {
		t.Errorf("%d wanted of %d tokens in %d examples, want 3 of 6 in 1", s.wanted, d.Tokens(), d.Len())
	}
}

func TestDatasetRefusesWordsWithoutATokenByLine(t *testing.T) {
	_, err := NewDataset(calculatorWords(t), parsed(t, "one plus one equals two\none plus apple equals two\n"), 12)
	if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), "data.txt:2: ") {
		t.Errorf("error is %v, want one of class data that names data.txt:2", err)
	}
}

func TestFingerprintTellsDataApart(t *testing.T) {
	words := calculatorWords(t)
	of := func(text string) string { return dataset(t, words, parsed(t, text), 12).fingerprint() }
	const text = "one plus two equals three\ntwo plus two equals four\n"
	want := of(text)
	if again := of(text); again != want {
		t.Errorf("the same data has the fingerprints %s and %s", want, again)
	}
	for what, other := range map[string]string{
		"another answer": "one plus two equals three\ntwo plus two equals five\n",
		"another order":  "two plus two equals four\none plus two equals three\n",
		"one less":       "one plus two equals three\n",
		// The same tokens, but the answer begins elsewhere.
		"another answer's begin": "one plus two equals three\ntwo plus two equals equals four\n",
	} {
		if of(other) == want {
			t.Errorf("%s has the same fingerprint", what)
		}
	}
	d := dataset(t, words, parsed(t, "one equals two equals three\n"), 12)
	before := d.fingerprint()
	d.sequences[0].answers[1] = d.sequences[0].targets[1] // as if the answer began behind the first "equals"
	if d.fingerprint() == before {
		t.Error("the same tokens with more of them answer have the same fingerprint")
	}
}
