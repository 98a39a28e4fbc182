package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"trainer/internal/fault"
)

// talk answers prompts from a terminal until "quit", the end of input or of ctx. A prompt that cannot be answered is explained on errs, and
// the next one can be asked.
func talk(ctx context.Context, a *asker, p printer, in io.Reader, errs io.Writer) error {
	how := "Begin a text; it goes on."
	if a.questions {
		how = "Ask in the words it was trained on."
	}
	fmt.Fprintf(errs, "%s\n%s An empty line is ignored; quit ends.\n", a, how)
	lines := readLines(in)
	for {
		fmt.Fprint(errs, "> ")
		line, err := next(ctx, lines)
		if err != nil {
			fmt.Fprintln(errs) // leaves the line of the prompt
			if err == io.EOF {
				return nil
			}
			return err
		}
		switch line.text {
		case "":
			continue
		case "quit":
			return nil
		}
		err = a.answer(ctx, line.text, p)
		if fault.ExitCode(err) == fault.ExitUsage {
			fmt.Fprintln(errs, err)
			continue
		}
		if err != nil {
			return err
		}
	}
}

// answerLines answers one prompt a line of the input; empty lines are skipped. Lines that cannot be answered are listed in the error, of
// class usage, after all others have been answered.
func answerLines(ctx context.Context, a *asker, p printer, in io.Reader) error {
	lines := readLines(in)
	var bad []error
	for number := 1; ; number++ {
		line, err := next(ctx, lines)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if line.text == "" {
			continue
		}
		err = a.answer(ctx, line.text, p)
		if fault.ExitCode(err) == fault.ExitUsage {
			bad = append(bad, fmt.Errorf("standard input:%d: %w", number, err))
			continue
		}
		if err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return fault.Usagef("%w", errors.Join(bad...))
	}
	return nil
}

// line is a line of input without white space around it, or the error that reading ended with.
type line struct {
	text string
	err  error
}

// readLines reads lines in the background, so that an interrupt need not wait for one.
func readLines(in io.Reader) <-chan line {
	lines := make(chan line)
	go func() {
		reader := bufio.NewReader(in)
		for {
			text, err := reader.ReadString('\n')
			if text != "" {
				lines <- line{text: strings.TrimSpace(text)}
			}
			if err != nil {
				lines <- line{err: err}
				return
			}
		}
	}()
	return lines
}

// next waits for a line or the end of ctx.
func next(ctx context.Context, lines <-chan line) (line, error) {
	select {
	case l := <-lines:
		return l, l.err
	case <-ctx.Done():
		return line{}, fault.ErrInterrupted
	}
}
