package floor

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"trainer/internal/findings"
	"trainer/tokenizer"
	"trainer/train/examples"
)

// findings are what the model of a step has learned; those of a model in memory are found out once.
func (s *shelf) findings(ctx context.Context, step int) (*findings.Findings, error) {
	var found *findings.Findings
	err := s.with(ctx, step, func(o *opened) (err error) {
		if o.findings == nil {
			subject, missing := s.subject(o)
			if o.findings, err = findings.Analyse(subject); err == nil && missing != nil {
				o.findings.Skipped = append(o.findings.Skipped, findings.Skipped{What: "the data", Why: missing.Error()})
			}
		}
		found = o.findings
		return err
	})
	return found, err
}

// subject is a model with what it can be asked. The error says why the data cannot be read, and the subject is complete without.
func (s *shelf) subject(o *opened) (subject findings.Subject, err error) {
	subject = findings.Subject{Model: o.model, Tokenizer: o.tokenizer, Step: o.step}
	if questionEnds(o.tokenizer) != "" {
		subject.Examples, err = s.examples(o.tokenizer)
	} else if path := s.data(); path != "" {
		subject.Text, err = beginning(path)
	}
	return subject, err
}

// examples are what a model that answers questions can be asked: the problems of the calculator, where it has the words for them and was not
// given other data, else what it has learned from.
func (s *shelf) examples(t tokenizer.Tokenizer) ([]examples.Example, error) {
	switch path := s.data(); {
	case path != "":
		return examples.Read(path)
	case findings.Calculates(t):
		return examples.Calculator(), nil
	}
	return nil, nil
}

// data is what the training command was given as data, "" where it was given none.
func (s *shelf) data() string {
	state, err := s.state()
	if err != nil || state == nil {
		return ""
	}
	return state.Arguments[dataFlag]
}

// beginning returns the first letters of a file of text.
func beginning(path string) (string, error) {
	const most = 4 << 10 // bytes
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most))
	for range utf8.UTFMax - 1 { // the last letter may be cut off
		if len(data) > 0 && !utf8.Valid(data) {
			data = data[:len(data)-1]
		}
	}
	if err == nil && (!utf8.Valid(data) || strings.ContainsRune(string(data), 0)) {
		err = errors.New(path + " is no text")
	}
	if err != nil {
		return "", err
	}
	return string(data), nil
}
