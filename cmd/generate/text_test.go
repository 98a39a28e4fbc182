package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trainer/internal/cli"
	"trainer/internal/fault"
)

// text is the standard output of a command that must succeed on a model of text.
func text(t testing.TB, dir string, arguments ...string) string {
	t.Helper()
	out, errs, code := command(t, "", append([]string{"-model", dir}, arguments...)...)
	if code != 0 || errs != "" {
		t.Fatalf("%q: exit code %d, error %s", arguments, code, errs)
	}
	return out
}

func TestATextGoesOnBehindItsPrompt(t *testing.T) {
	dir := textModel(t)
	answer := strings.TrimSuffix(text(t, dir, "-quiet", "-max-tokens", "5", "ab"), "\n")
	const note = "(cut off here: -max-tokens 5)\n"
	plain := text(t, dir, "-max-tokens", "5", "ab")
	if want := "ab" + answer + "\n" + note; plain != want || answer == "" {
		t.Errorf("output is %q, want %q", plain, want)
	}
	if got := text(t, dir, "-max-tokens", "5", "-stream", "ab"); got != plain {
		t.Errorf("as a stream the text is %q, want %q", got, plain)
	}
	if got := text(t, dir, "-max-tokens", "5", "-quiet", "-stream", "ab"); got != answer+"\n" {
		t.Errorf("as a quiet stream the text is %q, want %q", got, answer+"\n")
	}
	if got := text(t, dir, "-max-tokens", "5", "-top", "2", "ab"); !strings.HasPrefix(got, plain) || strings.Count(got, " %") < 10 {
		t.Errorf("with -top the output lacks the text or the table:\n%s", got)
	}
}

func TestATextEndsBeforeAStopString(t *testing.T) {
	dir := textModel(t)
	whole := strings.TrimSuffix(text(t, dir, "-quiet", "-temperature", "1", "-seed", "4", "-max-tokens", "9", "ab"), "\n")
	stop := whole[4:6]
	want := whole[:strings.Index(whole, stop)]
	out := text(t, dir, "-temperature", "1", "-seed", "4", "-max-tokens", "9", "-stop", "never comes", "-stop", stop, "ab")
	if out != "ab"+want+"\n" {
		t.Errorf("%q with the stop string %q becomes %q, want no more than %q", whole, stop, out, want)
	}
	var r jsonReply
	out = text(t, dir, "-json", "-temperature", "1", "-seed", "4", "-max-tokens", "9", "-stop", stop, "ab")
	if err := json.Unmarshal([]byte(out), &r); err != nil || !*r.Complete {
		t.Errorf("a text that ends before a stop string is not complete: %s", out)
	}
}

func TestSamplesOfOnePromptAreThoseOfTheSeedsInARow(t *testing.T) {
	dir := textModel(t)
	sampling := []string{"-temperature", "1", "-max-tokens", "8"}
	var want strings.Builder
	for seed := 5; seed < 8; seed++ {
		one := text(t, dir, append(slices.Clone(sampling), "-seed", fmt.Sprint(seed), "ab")...)
		fmt.Fprintf(&want, "%d of 3, -seed %d\n%s\n", seed-4, seed, one)
	}
	if got := text(t, dir, append(slices.Clone(sampling), "-seed", "5", "-n", "3", "ab")...); got != want.String() {
		t.Errorf("three samples are\n%s\none by one\n%s", got, want.String())
	}
}

func TestATextCanGoOnBeyondTheContext(t *testing.T) {
	a := newTestAsker(t, func(a *arguments) {
		a.model, a.sampling.Slide, a.sampling.MaxTokens, a.sampling.Temperature = textModel(t), true, 40, 1
	})
	if r := askOne(t, a, "ab"); len(r.tokens) != 40 || r.stop != "-max-tokens 40" {
		t.Errorf("%d tokens, stopped by %q, want 40, which is more than the context of %d", len(r.tokens), r.stop, a.model.Config.Context)
	}
}

func TestAStreamShowsThePromptFirstAndThenWhatTheReplyHas(t *testing.T) {
	a := newTestAsker(t, func(a *arguments) { a.model, a.sampling.Temperature, a.stops = textModel(t), 1, stops{"\n"} })
	var b bytes.Buffer
	v := &screen{out: &b, terminal: cli.TerminalOf(&b), stream: true}
	show, at := v.live("ab"), []int{}
	replies, err := a.ask(t.Context(), "ab", func(text string) error {
		defer func() { at = append(at, b.Len()) }()
		return show(text)
	})
	if err != nil || len(at) < 4 || at[0] != len("ab") || b.String() != "ab"+replies[0].answer {
		t.Errorf("%q was printed up to the bytes %v, want the prompt and piece by piece %q, error %v", b.String(), at, replies[0].answer, err)
	}
}

func TestAnInterruptEndsAText(t *testing.T) {
	a := newTestAsker(t, func(a *arguments) { a.model, a.sampling.Slide, a.sampling.MaxTokens = textModel(t), true, 1<<30 })
	ctx, cancel := context.WithCancel(t.Context())
	var b bytes.Buffer
	p := quietPrinter{out: &interrupting{&b, cancel}, stream: true}
	if err := a.answer(ctx, "ab", p); fault.ExitCode(err) != fault.ExitInterrupted || !strings.HasSuffix(b.String(), "\n") {
		t.Errorf("error is %v behind %q, want an interruption behind a whole line", err, b.String())
	}
}

// interrupting is a writer that interrupts the first time.
type interrupting struct {
	to        *bytes.Buffer
	interrupt func()
}

func (w *interrupting) Write(p []byte) (int, error) {
	w.interrupt()
	return w.to.Write(p)
}
