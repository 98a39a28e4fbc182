package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"trainer/internal/fault"
	"trainer/internal/format"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// textMaterial is a text to continue. The end of it is held out, as a text is learned from the front.
type textMaterial struct {
	path             string
	trained, heldOut string
	tokenizer        string // the value of -tokenizer
	limit            int    // tokens of an evaluation
	encoded          *lessons
}

// newText reads a text.
func newText(a *arguments) (*textMaterial, error) {
	text, err := readText(a.data)
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	m := &textMaterial{path: a.data, trained: text, tokenizer: a.tokenizer, limit: a.evaluateTokens}
	if a.evalData != "" {
		if m.heldOut, err = readText(a.evalData); err != nil {
			return nil, fmt.Errorf("-eval-data: %w", err)
		}
		m.path += " with " + a.evalData
		return m, nil
	}
	cut := len(text) - int(a.heldOut*float64(len(text)))
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut++
	}
	m.trained, m.heldOut = text[:cut], text[cut:]
	return m, nil
}

func readText(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Dataf("cannot read the text: %w", err)
	}
	if len(text) == 0 {
		return "", fault.Dataf("%s: the file is empty: expected text", path)
	}
	return string(text), nil
}

func (m *textMaterial) title() string { return "Training on " + m.path }

func (m *textMaterial) about() []string {
	return []string{
		fmt.Sprintf("%s: a text of %s, to continue", m.path, format.Bytes(len(m.trained)+len(m.heldOut))),
		fmt.Sprintf("%s to train on and %s held out", count(m.encoded.trained.Tokens(), "token"), format.Thousands(m.encoded.heldOut.Tokens())),
	}
}

// vocabulary makes the tokenizer that -tokenizer asks for.
func (m *textMaterial) vocabulary() (tokenizer.Tokenizer, error) {
	kind, size, sized := strings.Cut(m.tokenizer, ":")
	switch {
	case m.tokenizer == "char":
		t, err := tokenizer.BuildChar(m.trained + m.heldOut)
		if err != nil {
			return nil, fault.Dataf("%s: %w", m.path, err)
		}
		return t, nil
	case m.tokenizer == "bytes":
		return tokenizer.NewBytes(), nil
	case kind == "bpe" && sized:
		n, err := strconv.Atoi(size)
		if err != nil {
			return nil, fault.Usagef("-tokenizer %s: expected a number of tokens, such as bpe:4096", m.tokenizer)
		}
		if n < tokenizer.MinVocabSize {
			return nil, fault.Usagef("-tokenizer %s: expected at least %d tokens", m.tokenizer, tokenizer.MinVocabSize)
		}
		var learner tokenizer.BPETrainer
		if err := learner.Add(strings.NewReader(m.trained)); err != nil {
			return nil, err
		}
		const seenTwice = 2
		return learner.Train(n, seenTwice), nil
	}
	t, err := tokenizer.Load(m.tokenizer)
	if err != nil {
		return nil, fmt.Errorf("-tokenizer: expected char, bytes, bpe:4096 or a tokenizer's file or folder: %w", err)
	}
	return t, nil
}

func (m *textMaterial) encode(t tokenizer.Tokenizer, context int) (*lessons, error) {
	of := func(text, part string) (train.Tokens, error) {
		ids, err := t.Encode(text)
		if err != nil {
			return nil, fault.Dataf("%s, in the %s part: %w", m.path, part, err)
		}
		return train.InMemory(ids, len(text)), nil
	}
	trained, err := of(m.trained, "trained")
	if err != nil {
		return nil, err
	}
	heldOut, err := of(m.heldOut, "held-out")
	if err != nil {
		return nil, err
	}
	windows := max(1, m.limit/context)
	m.encoded = &lessons{
		context: context, trained: train.NewText(trained, context, 0),
		heldOut: train.NewText(heldOut, context, windows), sample: train.NewText(trained, context, windows),
	}
	if m.encoded.trained.Len() == 0 {
		return nil, fault.Dataf("%s: the part to train on has %s: expected more", m.path, count(trained.Len(), "token"))
	}
	return m.encoded, nil
}

// questions are the beginnings of held-out lines, which the model is to continue.
func (m *textMaterial) questions() []question {
	const asked, longest = 2, 40
	text, heldOut := m.heldOut, true
	if strings.TrimSpace(text) == "" {
		text, heldOut = m.trained, false
	}
	var questions []question
	for i := range asked {
		rest := text[i*len(text)/asked:]
		if _, after, ok := strings.Cut(rest, "\n"); ok && i > 0 {
			rest = after
		}
		line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(rest, "")), "\n")
		if runes := []rune(line); len(runes) > longest {
			line = string(runes[:longest])
		}
		if line != "" {
			questions = append(questions, question{text: line, heldOut: heldOut})
		}
	}
	return questions
}

// sampling draws from the distribution, a little sharpened: the likeliest token alone soon repeats itself.
func (m *textMaterial) sampling() model.Sampling {
	const sampleTokens = 120
	return model.Sampling{Temperature: 0.8, TopK: 200, TopP: 1, Seed: 1, MaxTokens: sampleTokens, Slide: true}
}
