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
	if m.tokenizer != charTokenizer && m.tokenizer != autoTokenizer {
		return makeTokenizer(m.tokenizer, func(use func(text string) error) error { return use(m.trained) })
	}
	t, err := tokenizer.BuildChar(m.trained + m.heldOut)
	if err != nil {
		return nil, fault.Dataf("%s: %w", m.path, err)
	}
	return t, nil
}

// Values of -tokenizer: the one that suits the text, and a token a character.
const (
	autoTokenizer = "auto"
	charTokenizer = "char"
)

// makeTokenizer makes the tokenizer that a value of -tokenizer other than charTokenizer asks for. texts calls its argument with texts to learn
// from.
func makeTokenizer(value string, texts func(use func(text string) error) error) (tokenizer.Tokenizer, error) {
	kind, size, sized := strings.Cut(value, ":")
	switch {
	case value == "bytes":
		return tokenizer.NewBytes(), nil
	case kind == "bpe" && sized:
		n, err := strconv.Atoi(size)
		if err != nil || n < tokenizer.MinVocabSize {
			return nil, fault.Usagef("-tokenizer %s: expected a number of at least %d tokens, such as bpe:4096", value, tokenizer.MinVocabSize)
		}
		return learnBPE(n, texts)
	}
	t, err := tokenizer.Load(value)
	if err != nil {
		return nil, fmt.Errorf("-tokenizer: expected char, bytes, bpe:4096 or a tokenizer's file or folder: %w", err)
	}
	return t, nil
}

// defaultBPE is the size of the vocabulary that is learned where -tokenizer says nothing of a corpus.
const defaultBPE = 4096

// learnBPE learns a vocabulary from texts.
func learnBPE(size int, texts func(use func(text string) error) error) (tokenizer.Tokenizer, error) {
	var learner tokenizer.BPETrainer
	if err := texts(func(text string) error { return learner.Add(strings.NewReader(text)) }); err != nil {
		return nil, err
	}
	const seenTwice = 2
	return learner.Train(size, seenTwice), nil
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
	m.encoded, err = textLessons(m.path, trained, heldOut, context, m.limit)
	return m.encoded, err
}

// textLessons cuts streams of tokens into windows. At most limit tokens are evaluated.
func textLessons(path string, trained, heldOut train.Tokens, context, limit int) (*lessons, error) {
	windows := max(1, limit/context)
	l := &lessons{
		context: context, trained: train.NewText(trained, context, 0),
		heldOut: train.NewText(heldOut, context, windows), sample: train.NewText(trained, context, windows),
	}
	if l.trained.Len() == 0 {
		return nil, fault.Dataf("%s: the part to train on has %s: expected more", path, count(trained.Len(), "token"))
	}
	return l, nil
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

func (m *textMaterial) sampling() model.Sampling { return textSampling() }

// textSampling draws from the distribution, a little sharpened: the likeliest token alone soon repeats itself.
func textSampling() model.Sampling {
	const sampleTokens = 120
	return model.Sampling{Temperature: 0.8, TopK: 200, TopP: 1, Seed: 1, MaxTokens: sampleTokens, Slide: true}
}
