package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"trainer/internal/fault"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// material is what a run learns from: examples with answers, or a text.
type material interface {
	// title names the run, and about says in lines what there is to learn.
	title() string
	about() []string
	// vocabulary makes the tokenizer of a new run.
	vocabulary() (tokenizer.Tokenizer, error)
	// encode turns everything into tokens, for a model that sees context of them; 0 is as many as it needs.
	encode(t tokenizer.Tokenizer, context int) (*lessons, error)
	// questions are what the model is asked before and after.
	questions() []question
	// sampling says how it is asked.
	sampling() model.Sampling
}

// lessons are material in tokens.
type lessons struct {
	context          int // of the model
	trained, heldOut train.Data
	sample           train.Data // of trained: as much as is evaluated at the end
}

// The values of the flag -task.
const (
	taskAuto     = "auto"
	taskExamples = "examples"
	taskText     = "text"
)

// chooseTask says what the data is.
func (a *arguments) chooseTask() (string, error) {
	switch {
	case a.task != taskAuto && a.task != taskExamples && a.task != taskText:
		return "", fault.Usagef("-task %q: expected %s, %s or %s", a.task, taskAuto, taskExamples, taskText)
	case a.data == "" && a.task == taskText:
		return "", fault.Usagef("-task %s: expected the text by -data", a.task)
	case a.data == "":
		return taskExamples, nil
	case a.task == taskAuto:
		if a.corpus != noCorpus {
			return taskText, nil
		}
		return guessTask(a.data)
	}
	return a.task, nil
}

// readMaterial reads what the flags name.
func (a *arguments) readMaterial() (material, error) {
	switch {
	case a.task == taskText:
		if a.corpus != noCorpus {
			return newCorpus(a)
		}
		return newText(a)
	case a.data == "":
		return newCalculator(a), nil
	}
	return newExamples(a)
}

// guessTask says what a file is: examples, where its first line with anything on it has the word "equals", else text.
func guessTask(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fault.Dataf("-data: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return "", fault.Dataf("-data: %s is a folder without a text in it: expected a text file, with one example a line or of text, or shards of tokens", path)
	}
	const longest = 64 << 10
	r := bufio.NewReaderSize(file, longest)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
			return "", fault.Dataf("-data: %w", err)
		}
		text := string(bytes.TrimSpace(line))
		switch {
		case text != "" && text[0] != '#':
			if strings.Contains(" "+text+" ", " equals ") {
				return taskExamples, nil
			}
			return taskText, nil
		case err == io.EOF:
			return taskExamples, nil // it has nothing, which is said of examples with the line
		}
	}
}
