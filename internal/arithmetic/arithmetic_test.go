package arithmetic

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestNumbersReadAsEnglish(t *testing.T) {
	for n, want := range map[int]string{
		0: "zero", 7: "seven", 10: "ten", 13: "thirteen", 19: "nineteen", 20: "twenty", 21: "twenty one", 40: "forty",
		42: "forty two", 90: "ninety", 99: "ninety nine", 100: "one hundred", 101: "one hundred one",
		110: "one hundred ten", 115: "one hundred fifteen", 120: "one hundred twenty", 198: "one hundred ninety eight",
		199: "one hundred ninety nine",
	} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
}

// value reads number words by adding their values, knowing nothing of how Number builds them.
func value(t *testing.T, words string) int {
	t.Helper()
	names := strings.Fields("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen " +
		"fifteen sixteen seventeen eighteen nineteen")
	for i, name := range strings.Fields("twenty thirty forty fifty sixty seventy eighty ninety") {
		for len(names) < 10*(i+2) {
			names = append(names, "")
		}
		names = append(names, name)
	}
	sum := 0
	for word := range strings.FieldsSeq(words) {
		if word == "hundred" {
			sum *= 100
			continue
		}
		n := slices.Index(names, word)
		if n < 0 {
			t.Fatalf("%q is no number word", word)
		}
		sum += n
	}
	return sum
}

func TestNumberWordsAddUpToTheNumber(t *testing.T) {
	for n := range MaxNumber + 1 {
		if got := value(t, Number(n)); got != n {
			t.Errorf("Number(%d) = %q, which reads as %d", n, Number(n), got)
		}
	}
}

func TestNumberOutsideItsRangePanicsWithTheNumber(t *testing.T) {
	for _, n := range []int{-1, 200} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, fmt.Sprintf("number %d is outside", n)) {
					t.Errorf("Number(%d): recovered %q", n, text)
				}
			}()
			Number(n)
		}()
	}
}

func TestProblemsAreCompleteAndUnique(t *testing.T) {
	count := map[Operation]int{}
	seen := map[Problem]bool{}
	for _, p := range Problems() {
		if seen[p] {
			t.Errorf("%v appears twice", p)
		}
		seen[p] = true
		count[p.Op]++
		if p.A < 0 || p.A > 99 || p.B < 0 || p.B > 99 {
			t.Errorf("%v has an operand outside 0 to 99", p)
		}
		if r := p.Result(); r < 0 || r > 198 || p.Op == Times && r > 99 {
			t.Errorf("%v has the result %d", p, r)
		}
	}
	for op, want := range map[Operation]int{Plus: 10_000, Minus: 5_050, Times: 672} {
		if count[op] != want {
			t.Errorf("%d problems of %s, want %d", count[op], op, want)
		}
	}
	if len(seen) != 15_722 {
		t.Errorf("%d problems, want 15722", len(seen))
	}
}

func TestProblemsComeInAFixedOrder(t *testing.T) {
	problems := Problems()
	for index, want := range map[int]Problem{
		0: {0, 0, Plus}, 1: {0, 1, Plus}, 100: {1, 0, Plus}, 9_999: {99, 99, Plus},
		10_000: {0, 0, Minus}, 10_001: {1, 0, Minus}, 15_049: {99, 99, Minus},
		15_050: {0, 0, Times}, 15_721: {99, 1, Times},
	} {
		if problems[index] != want {
			t.Errorf("problem %d is %v, want %v", index, problems[index], want)
		}
	}
}

func TestQuestionsAndAnswersReadAsSentences(t *testing.T) {
	for _, test := range []struct {
		problem Problem
		want    string
	}{
		{Problem{2, 3, Plus}, "two plus three equals five"},
		{Problem{99, 99, Plus}, "ninety nine plus ninety nine equals one hundred ninety eight"},
		{Problem{42, 2, Minus}, "forty two minus two equals forty"},
		{Problem{9, 11, Times}, "nine times eleven equals ninety nine"},
	} {
		if got := test.problem.Question() + " " + test.problem.Answer(); got != test.want {
			t.Errorf("%v reads %q, want %q", test.problem, got, test.want)
		}
	}
}

func TestWordsAreExactlyThoseOfTheProblems(t *testing.T) {
	words := Words()
	if got, want := strings.Join(words[:8], " "), "plus minus times equals hundred zero one two"; got != want {
		t.Errorf("vocabulary begins %q, want %q", got, want)
	}
	if len(words) != 33 || words[24] != "nineteen" || words[25] != "twenty" || words[32] != "ninety" {
		t.Errorf("vocabulary of %d words is %q", len(words), words)
	}
	used := map[string]bool{}
	for _, p := range Problems() {
		for word := range strings.FieldsSeq(p.Question() + " " + p.Answer()) {
			used[word] = true
		}
	}
	for _, word := range words {
		if !used[word] {
			t.Errorf("no problem uses %q", word)
		}
		delete(used, word)
	}
	for word := range used {
		t.Errorf("%q is not in the vocabulary", word)
	}
}

func TestFiguresAreToldFromWords(t *testing.T) {
	for word, want := range map[string]bool{"2": true, "2+3=": true, "-": true, "-3": true, "two": false, "twenty-one": false, "please": false} {
		if InFigures(word) != want {
			t.Errorf("%q is in figures: %v", word, !want)
		}
	}
}
