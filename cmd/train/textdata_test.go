package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trainer/tokenizer"
)

// rhyme is a text that is soon learned.
func rhyme() string {
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, "Round %d: the wheels on the bus go round and round.\nAll through the town, é!\n\n", i%10)
	}
	return b.String()
}

// onText are the arguments of a short run on a text.
func onText(arguments ...string) []string {
	return append([]string{"-data", "book.txt", "-out", "run", "-layers", "1", "-d-model", "16", "-heads", "2", "-context", "16", "-batch", "8",
		"-threads", "1", "-steps", "60", "-lr", "0.01"}, arguments...)
}

func TestTextIsLearnedLetterByLetterOrInOtherTokens(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "book.txt", rhyme())
	if err := os.Mkdir(filepath.Join(dir, "words"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "words", tokenizer.FileName), tokenizer.NewBytes().JSON(), 0o666); err != nil {
		t.Fatal(err)
	}
	for kind, size := range map[string]int{"char": 33, "bytes": 258, "bpe:300": 300, "words": 258} {
		o := succeed(t, dir, onText("-tokenizer", kind, "-overwrite")...)
		checkPlain(t, o.stdout)
		for _, part := range []string{"a text of 9.36 kB", fmt.Sprintf("a vocabulary of %d tokens", size), "Before training", "Round", "prediction",
			"perplexity", "After training", "Predictions", "bits a byte", "Next"} {
			if !strings.Contains(o.stdout, part) {
				t.Errorf("%s: %q is missing in\n%s", kind, part, o.stdout)
			}
		}
		var summary struct {
			HeldOutLoss float64 `json:"held_out_loss"`
			Bits        float64 `json:"held_out_bits_per_byte"`
			Perplexity  float64 `json:"held_out_perplexity"`
		}
		text, err := os.ReadFile(filepath.Join(dir, "run", "summary.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &summary); err != nil {
			t.Fatal(err)
		}
		if !(summary.Bits > 0 && summary.Bits < 4) || summary.Perplexity <= 1 || summary.HeldOutLoss <= 0 {
			t.Errorf("%s: the result is %+v, want less than 4 bits a byte after 60 steps", kind, summary)
		}
	}
}

func TestATextRunGoesOnWithTheSameBits(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "book.txt", rhyme())
	whole := succeed(t, dir, onText("-quiet", "-out", "whole")...)
	stopped := command(t, dir, onText("-quiet", "-stop-after", "23")...)
	if stopped.code != 130 {
		t.Fatalf("stopped with %+v", stopped)
	}
	resumed := succeed(t, dir, "-resume", "-out", "run", "-quiet")
	if !strings.Contains(resumed.stdout, "60 steps") || !strings.Contains(whole.stdout, "held-out loss") {
		t.Errorf("printed %q and %q", whole.stdout, resumed.stdout)
	}
	for _, name := range []string{"model.safetensors", "state.safetensors"} {
		a, err1 := os.ReadFile(filepath.Join(dir, "whole", name))
		b, err2 := os.ReadFile(filepath.Join(dir, "run", name))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if name == "model.safetensors" && string(a) != string(b) {
			t.Errorf("%s differs between a whole and a resumed run", name)
		}
	}
}

func TestTheTaskIsWhatTheFirstLineSays(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	for text, want := range map[string]string{
		"one plus one equals two\n":                   taskExamples,
		"\n# sums\n\n one plus one equals two\n":      taskExamples,
		"equals\n":                                    taskExamples,
		"Chapter 1\none plus one equals two\n":        taskText,
		"sequels\n":                                   taskText,
		strings.Repeat("long ", 1<<15) + "\nequals\n": taskText,
		"": taskExamples,
	} {
		path := filepath.Join(dir, "some.txt")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, err := guessTask(path); err != nil || got != want {
			t.Errorf("%.40q is %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestMistakesWithTextAreNamed(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "book.txt", rhyme(), "binary.txt", "abc\xff\xfe", "tiny.txt", "a", "none.txt", "")
	for _, test := range []struct {
		arguments []string
		code      int
		want      []string
	}{
		{[]string{"-tokenizer", "nowhere"}, 3, []string{"-tokenizer", "char, bytes, bpe:4096", "nowhere"}},
		{[]string{"-tokenizer", "bpe:x"}, 2, []string{"-tokenizer bpe:x"}},
		{[]string{"-tokenizer", "bpe:7"}, 2, []string{"-tokenizer bpe:7: expected a number of at least"}},
		{[]string{"-preset", "gpt7"}, 2, []string{`-preset "gpt7"`, "shakespeare-char"}},
		{[]string{"-task", "poetry"}, 2, []string{`-task "poetry"`, "examples"}},
		{[]string{"-evaluate-tokens", "0"}, 2, []string{"-evaluate-tokens 0"}},
		{[]string{"-data", "binary.txt"}, 3, []string{"binary.txt", "byte 4 is not valid UTF-8"}},
		{[]string{"-data", "tiny.txt"}, 3, []string{"tiny.txt", "1 token: expected more"}},
		{[]string{"-data", "none.txt", "-task", "text"}, 3, []string{"none.txt", "empty"}},
		{[]string{"-eval-data", "binary.txt"}, 3, []string{"book.txt with binary.txt", "is not valid UTF-8"}},
	} {
		fail(t, test.code, test.want, dir, onText(append([]string{"-quiet"}, test.arguments...)...)...)
		if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
			t.Fatalf("%v left a folder", test.arguments)
		}
	}
}
