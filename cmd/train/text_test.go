package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNoLineIsWiderThanATerminal(t *testing.T) {
	long := strings.Repeat("a long question plus "+strings.Repeat("ü ", 40)+"equals "+strings.Repeat("answer ", 40)+"\n", 12)
	dir := workplace(t, "long.txt", long)
	for _, flags := range [][]string{
		{}, {"-data", "long.txt"}, {"-optimizer", "sgd", "-clip", "0"}, {"-layers", "9", "-positions", "sinusoidal"},
		{"-target-accuracy", "0.01", "-evaluate-every", "7"},
	} {
		flags = withoutQuiet(small(append(flags, "-overwrite")...))
		for line := range strings.Lines(succeed(t, dir, flags...).stdout) {
			line = strings.TrimSuffix(line, "\n")
			command := strings.HasPrefix(line, "  go run ") // is copied as one line
			if n := utf8.RuneCountInString(line); n > 80 && !command {
				t.Errorf("train %s: %d columns: %s", strings.Join(flags, " "), n, line)
			}
		}
	}
}

func TestWrappedBreaksBetweenWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                    {""},
		"one":                 {"one"},
		"one two three":       {"one two", "three"},
		"ünü zwö four":        {"ünü zwö", "four"},
		"averylongword b c d": {"averylongword", "b c d"},
	} {
		if got := wrapped(text, 7); !slices.Equal(got, want) {
			t.Errorf("%q in 7 columns is %q, want %q", text, got, want)
		}
	}
}

func TestClippedKeepsToTheWidth(t *testing.T) {
	for width, want := range map[int]string{-1: "…", 1: "…", 4: "ünü…", 7: "ünü zwö", 80: "ünü zwö"} {
		if got := clipped("ünü zwö", width); got != want {
			t.Errorf("in %d columns it is %q, want %q", width, got, want)
		}
	}
}

func TestQuotedIsOneArgumentOfAShell(t *testing.T) {
	for argument, want := range map[string]string{
		"runs/calculator": "runs/calculator", "größe": "größe", "two plus": `"two plus"`, "": `""`, "it's": `"it's"`,
		"a$b": "'a$b'", "`date`": "'`date`'", `a"b\'c`: `'a"b\'\''c'`, "x!": "'x!'", "a;b": `"a;b"`, "a)b": `"a)b"`, "a(b": `"a(b"`,
	} {
		if got := quoted(argument); got != want {
			t.Errorf("%q is quoted as %s, want %s", argument, got, want)
		}
	}
}
