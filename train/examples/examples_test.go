package examples

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"trainer/internal/arithmetic"
	"trainer/tokenizer"
)

// words returns a tokenizer of the arithmetic vocabulary.
func words(t *testing.T) *tokenizer.Word {
	t.Helper()
	w, err := tokenizer.NewWord(arithmetic.Words())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCalculatorIsWhatParseReadsFromItsText(t *testing.T) {
	list := Calculator()
	text := strings.Join(slices.Collect(Texts(list)), "\n")
	parsed, err := Parse(strings.NewReader(text), "calculator")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 15_722 || !slices.Equal(parsed, list) {
		t.Errorf("%d examples, %d parsed, or they differ", len(list), len(parsed))
	}
}

func TestTextsBuildTheVocabularyInTheOrderOfTheFile(t *testing.T) {
	list, err := Parse(strings.NewReader("two plus one equals three\none plus one equals two"), "data.txt")
	if err != nil {
		t.Fatal(err)
	}
	w, err := tokenizer.BuildWord(Texts(list))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.Decode([]int32{2, 3, 4, 5, 6}), "two plus one equals three"; got != want || w.VocabSize() != 7 {
		t.Errorf("vocabulary is %q and %d tokens, want %q and 7", got, w.VocabSize(), want)
	}
}

func TestEncodeEndsTheExampleAndMarksTheAnswer(t *testing.T) {
	w := words(t)
	e := Example{Question: "two plus three equals", Answer: "five"}
	got, err := Encode(w, e, 5)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int32{9, 2, 10, 5, 12, w.EOS()}; !slices.Equal(got.IDs, want) || got.AnswerStart != 4 {
		t.Errorf("encoded as %+v, want ids %v and the answer at 4", got, want)
	}
}

func TestEveryEncodedCalculatorExampleDecodesToItsParts(t *testing.T) {
	w, list := words(t), Calculator()
	encoded, err := EncodeAll(w, list, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(encoded) != len(list) {
		t.Fatalf("%d of %d examples encoded", len(encoded), len(list))
	}
	for i, e := range encoded {
		question, answer := w.Decode(e.IDs[:e.AnswerStart]), w.Decode(e.IDs[e.AnswerStart:])
		if question != list[i].Question || answer != list[i].Answer || e.IDs[len(e.IDs)-1] != w.EOS() {
			t.Fatalf("%q encoded as %v, which is %q and %q", list[i].Text(), e.IDs, question, answer)
		}
	}
}

func TestEncodeSaysWhichLineDoesNotFit(t *testing.T) {
	w := words(t)
	for _, test := range []struct {
		e       Example
		context int
		want    string
	}{
		{Example{Question: "tow plus three equals", Answer: "five"}, 9,
			`data.txt:7: in the question: unknown word "tow" (word 1): did you mean "two"?`},
		{Example{Question: "two plus three equals", Answer: "twenty fife"}, 9,
			`data.txt:7: in the answer: unknown word "fife" (word 2): did you mean "five"?`},
		{Example{Question: "two plus three equals", Answer: "five <eos>"}, 9, `data.txt:7: <eos> is in the text: remove it`},
		{Example{Question: "two plus three equals", Answer: "twenty five"}, 5,
			`data.txt:7: the question of 4 tokens and the answer of 2 exceed the model's context of 5: shorten`},
	} {
		test.e.Source, test.e.Line = "data.txt", 7
		_, err := Encode(w, test.e, test.context)
		checkDataError(t, err, test.want)
	}
}

func TestEncodeRefusesATokenizerWithoutAnEnd(t *testing.T) {
	endless, err := tokenizer.Parse([]byte(`{"version": "1.0", "pre_tokenizer": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"},
		"model": {"type": "BPE", "vocab": {"a": 0, "Ġ": 1}, "merges": []}}`), "endless")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Encode(endless, Example{Question: "a", Answer: "a", Source: "x", Line: 7}, 12)
	if want := "x:7: the tokenizer has no token that ends a sequence, such as <eos>"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestEncodeAllListsTheBadLines(t *testing.T) {
	list, err := Parse(strings.NewReader("one equals one\nuno equals one\ntwo equals won\n"), "data.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = EncodeAll(words(t), list, 9)
	checkDataError(t, err, "data.txt:2: in the question: unknown word \"uno\"")
	checkDataError(t, err, "\ndata.txt:3: in the answer: unknown word \"won\"")
}

func TestSplitHoldsOutTheFractionAndSharesNoQuestion(t *testing.T) {
	list := Calculator()
	train, heldOut := Split(list, 0.1, 1)
	if len(train) != 14_150 || len(heldOut) != 1_572 {
		t.Errorf("%d in train and %d held out of %d", len(train), len(heldOut), len(list))
	}
	seen := map[Example]bool{}
	for _, e := range train {
		seen[e] = true
	}
	for _, e := range heldOut {
		if seen[e] {
			t.Errorf("%q is on both sides", e.Text())
		}
		seen[e] = true
	}
	if len(seen) != len(list) {
		t.Errorf("%d of %d examples are left", len(seen), len(list))
	}
	for _, side := range [][]Example{train, heldOut} {
		if !slices.IsSortedFunc(side, func(a, b Example) int { return a.Line - b.Line }) {
			t.Error("a side lost the order of the examples")
		}
	}
}

func TestSplitKeepsRepeatedExamplesTogether(t *testing.T) {
	text := "one equals one\ntwo equals two\nthree equals three\n"
	list, err := Parse(strings.NewReader(strings.Repeat(text, 3)), "data.txt")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		train, heldOut := Split(list, 0.4, seed)
		if len(train) != 6 || len(heldOut) != 3 {
			t.Fatalf("%d in train and %d held out, want 6 and 3", len(train), len(heldOut))
		}
		for _, e := range train {
			if e.Question == heldOut[0].Question {
				t.Errorf("%q is on both sides", e.Question)
			}
		}
	}
}

func TestSplitDependsOnTheSeedAlone(t *testing.T) {
	// These questions were recorded once: if they change, the held-out set of every earlier run has leaked into training.
	want := []string{
		"thirteen plus ninety four equals", "twenty one plus forty four equals",
		"twenty nine plus eighteen equals", "fifty seven plus twenty two equals",
		"eighty two minus seventy nine equals", "ninety five minus forty two equals",
		"zero times fifty four equals", "one times forty three equals",
	}
	_, heldOut := Split(Calculator(), 0.0005, 42)
	var got []string
	for _, e := range heldOut {
		got = append(got, e.Question)
	}
	if !slices.Equal(got, want) {
		t.Errorf("held out are %q, want %q", got, want)
	}
	_, other := Split(Calculator(), 0.0005, 43)
	if slices.Equal(other, heldOut) {
		t.Error("two seeds hold out the same examples")
	}
}

func TestSplitHoldsOutEachQuestionEquallyOften(t *testing.T) {
	var list []Example
	for i := range 10 {
		list = append(list, Example{Question: fmt.Sprint(i), Line: i})
	}
	const runs = 10_000
	var count [10]int
	for seed := range uint64(runs) {
		_, heldOut := Split(list, 0.3, seed)
		for _, e := range heldOut {
			count[e.Line]++
		}
	}
	// The standard deviation of a count is √(10,000·0.3·0.7) = 46; 5 of them are exceeded once in 170,000 tests.
	for i, n := range count {
		if n < 2_770 || n > 3_230 {
			t.Errorf("question %d was held out %d times of %d, expected 3000 ± 230", i, n, runs)
		}
	}
}

func TestSplitLeavesAQuestionOnEachSide(t *testing.T) {
	for _, test := range []struct {
		questions int
		fraction  float64
		heldOut   int
	}{{0, 0.5, 0}, {1, 0.9, 0}, {2, 0.9, 1}, {2, 0.01, 1}, {100, 0, 0}, {100, 0.999, 99}, {100, 0.25, 25}} {
		_, heldOut := Split(Calculator()[:test.questions], test.fraction, 1)
		if len(heldOut) != test.heldOut {
			t.Errorf("%v of %d questions holds out %d, want %d", test.fraction, test.questions, len(heldOut), test.heldOut)
		}
	}
}

func TestSplitPanicsAtAnImpossibleFraction(t *testing.T) {
	for _, fraction := range []float64{-0.1, 1, math.NaN()} {
		func() {
			defer func() {
				if want := fmt.Sprintf("fraction %v held out", fraction); !strings.Contains(fmt.Sprint(recover()), want) {
					t.Errorf("no panic with %q", want)
				}
			}()
			Split(nil, fraction, 1)
		}()
	}
}
