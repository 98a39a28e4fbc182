package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"trainer/internal/cli"
	"trainer/internal/format"
)

// quietPrinter prints answers and the exact match only.
type quietPrinter struct {
	out    io.Writer
	stream bool
}

func (p quietPrinter) live(string) func(string) error {
	if !p.stream {
		return nil
	}
	return func(text string) error {
		_, err := io.WriteString(p.out, text)
		return err
	}
}

func (p quietPrinter) reply(r *reply) error {
	text := r.answer + "\n"
	if r.shown {
		text = "\n"
	}
	_, err := io.WriteString(p.out, text)
	return err
}

func (p quietPrinter) score(s *score) error {
	_, err := fmt.Fprintln(p.out, s.total.exactMatch())
	return err
}

// exported prints nothing: the path is known to who gave it.
func (p quietPrinter) exported(*exported) error { return nil }

// screen prints for people.
type screen struct {
	out      io.Writer
	terminal cli.Terminal
	stream   bool
}

// live prints the prompt, and behind it the text.
func (v *screen) live(prompt string) func(text string) error {
	if !v.stream {
		return nil
	}
	begun := false
	return func(text string) error {
		if !begun {
			begun, text = true, v.terminal.Paint(cli.Faint, prompt)+text
		}
		_, err := io.WriteString(v.out, text)
		return err
	}
}

// reply prints the reply, and under it what the model could have said for each token.
func (v *screen) reply(r *reply) error {
	var b strings.Builder
	if r.of > 1 {
		fmt.Fprintf(&b, "%s\n", v.terminal.Paint(cli.Title, fmt.Sprintf("%d of %d, -seed %d", r.sample, r.of, r.seed)))
	}
	if r.question {
		v.framed(&b, r)
	} else {
		v.running(&b, r)
	}
	v.table(&b, r.tokens)
	_, err := io.WriteString(v.out, b.String())
	return err
}

// running writes prompt and answer as one text.
func (v *screen) running(b *strings.Builder, r *reply) {
	if !r.shown {
		b.WriteString(v.terminal.Paint(cli.Faint, r.prompt) + r.answer)
	}
	b.WriteString("\n")
	if r.stop != "" {
		fmt.Fprintf(b, "%s\n", v.terminal.Paint(cli.Faint, "(cut off here: "+r.stop+")"))
	}
	if r.of > 1 || len(r.tokens[0].Top) > 0 {
		b.WriteString("\n")
	}
}

// framed writes the answer to a question in a frame.
func (v *screen) framed(b *strings.Builder, r *reply) {
	fmt.Fprintf(b, "\n  %s\n\n", v.terminal.Paint(cli.Faint, r.prompt))
	answer := r.answer
	if answer == "" {
		answer = "(nothing)"
	}
	edge := strings.Repeat("━", utf8.RuneCountInString(answer)+4)
	fmt.Fprintf(b, "    ┏%s┓\n    ┃  %s  ┃\n    ┗%s┛\n", edge, v.terminal.Paint(cli.Bold, answer), edge)
	if r.stop != "" {
		fmt.Fprintf(b, "    cut off here: %s\n", r.stop)
	}
	if r.hint != "" {
		fmt.Fprintf(b, "    %s\n", v.terminal.Paint(cli.Faint, r.hint))
	}
	b.WriteString("\n")
}

// table lists for each token of an answer the likeliest ones in its place, and the token itself where it is not among them.
func (v *screen) table(b *strings.Builder, tokens []chosen) {
	if len(tokens[0].Top) == 0 {
		return
	}
	width := len("token")
	for _, t := range tokens {
		width = max(width, utf8.RuneCountInString(t.Token))
		for _, c := range t.Top {
			width = max(width, utf8.RuneCountInString(c.Token))
		}
	}
	fmt.Fprintf(b, "  %s\n", v.terminal.Paint(cli.Faint, fmt.Sprintf("%3s  %-*s  probability", "", width+2, "token")))
	for i, t := range tokens {
		rows := t.Top
		if !slices.Contains(rows, t.candidate) {
			rows = append(slices.Clone(rows), t.candidate)
		}
		for j, c := range rows {
			number, mark, style := "", " ", cli.Faint
			if j == 0 {
				number = fmt.Sprint(i + 1)
			}
			if c.Token == t.Token {
				mark, style = "›", cli.Bold
			}
			name := fmt.Sprintf("%s %-*s", mark, width, c.Token)
			bar := format.Bar(c.Probability, max(10, min(40, v.terminal.Width-width-24)))
			line := fmt.Sprintf("  %3s  %s  %9s  %s",
				number, v.terminal.Paint(style, name), format.Percent(c.Probability), v.terminal.Paint(cli.Bar, bar))
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
}

// listed is how many wrong answers are listed for people; -json lists all.
const listed = 40

// score prints the exact match by operation and the wrong answers.
func (v *screen) score(s *score) error {
	var b strings.Builder
	width := len("operation")
	for _, t := range s.byOperation {
		width = max(width, len(t.operation))
	}
	fmt.Fprintf(&b, "\n%s\n\n", v.terminal.Paint(cli.Title, "Exact match on "+s.file))
	row := func(name string, t tally) {
		fmt.Fprintf(&b, "  %-*s  %7s of %7s  %9s\n",
			width, name, format.Thousands(t.right), format.Thousands(t.total), format.Percent(t.exactMatch()))
	}
	for _, t := range s.byOperation {
		row(t.operation, t)
	}
	row("together", s.total)

	if len(s.wrong) == 0 {
		b.WriteString("\n  Every answer is right.\n")
	} else {
		fmt.Fprintf(&b, "\n%s\n\n", v.terminal.Paint(cli.Title, "Wrong answers"))
	}
	for _, m := range s.wrong[:min(listed, len(s.wrong))] {
		got := m.Got
		if got == "" {
			got = "(nothing)"
		}
		fmt.Fprintf(&b, "  %s\n      got %s, expected %s\n", m.Question, v.terminal.Paint(cli.Bad, got), v.terminal.Paint(cli.Good, m.Expected))
	}
	if more := len(s.wrong) - listed; more > 0 {
		fmt.Fprintf(&b, "  and %s more; -json lists all\n", format.Thousands(more))
	}
	_, err := io.WriteString(v.out, b.String())
	return err
}

// exported says what was written and, of a file, how it is asked.
func (v *screen) exported(e *exported) error {
	text := fmt.Sprintf("%s: %s, with weights in %s\n", e.Path, format.Bytes(e.Bytes), e.Type)
	if filepath.Ext(e.Path) == extension {
		text += fmt.Sprintf("Ask it with llama.cpp:\n  llama-completion -m %s -no-cnv --temp 0 -p \"...\"\n", e.Path)
	}
	_, err := io.WriteString(v.out, text)
	return err
}
