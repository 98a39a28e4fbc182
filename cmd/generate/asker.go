package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"trainer/internal/arithmetic"
	"trainer/internal/cli"
	"trainer/internal/cpu"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/format"
	"trainer/internal/vm"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// asker asks a trained model.
type asker struct {
	dir       string
	model     *model.Model
	tokenizer tokenizer.Tokenizer
	backend   vm.Backend
	generator *model.Generator
	sampling  model.Sampling
	top       int
}

// reply is what a model made of a prompt.
type reply struct {
	prompt, answer string
	tokens         []chosen
	hint           string // what is unlike the questions that the model has learned to answer, or empty
	stop           string // why the answer ends without the end token; empty when it has one
}

// chosen is a token of an answer, and the likeliest ones in its place, best first.
type chosen struct {
	candidate
	Top []candidate `json:"top"`
}

// candidate is a token with the probability that the model gives it, 0 to 1.
type candidate struct {
	Token       string  `json:"token"`
	Probability float64 `json:"probability"`
}

// newAsker loads the model of a run folder. Errors are of class data.
func newAsker(a *arguments) (*asker, error) {
	m, t, err := load(a.model)
	if err != nil {
		return nil, err
	}
	backend, err := newBackend(a)
	if err != nil {
		return nil, err
	}
	return &asker{
		dir: a.model, model: m, tokenizer: t, backend: backend, generator: model.NewGenerator(model.NewExecutor(m, backend)), sampling: a.sampling, top: a.top,
	}, nil
}

// load loads a model and its tokenizer.
func load(dir string) (*model.Model, tokenizer.Tokenizer, error) {
	if _, err := os.Stat(filepath.Join(dir, model.ConfigFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, noModel(dir)
	}
	return train.LoadModel(dir)
}

// newBackend opens what the model runs on.
func newBackend(a *arguments) (vm.Backend, error) {
	if device.IsGPU(a.device) {
		return device.Open(a.device, a.precision, a.gemm)
	}
	return cpu.New(a.threads, device.Kernels(a.precision)), nil
}

// noModel says how to get the model that is missing.
func noModel(dir string) error {
	command := cli.Sibling("train")
	if dir != defaultModel {
		command += " -out " + dir
	}
	return fault.Dataf("there is no trained model in %s: train one with `%s`, or name another folder with -model", dir, command)
}

// String describes the model in a line.
func (a *asker) String() string {
	return fmt.Sprintf("%s: %s weights, a vocabulary of %s tokens, on %s",
		a.dir, format.Thousands(a.model.Config.NumParameters()), format.Thousands(a.model.Config.VocabSize), a.backend.Device())
}

func (a *asker) close() { a.backend.Close() }

// ask continues a prompt. Errors that are the prompt's are of class usage.
func (a *asker) ask(prompt string) (*reply, error) {
	ids, err := a.tokenizer.Encode(prompt)
	if err != nil {
		return nil, fault.Usagef("%w", err)
	}
	switch context := a.model.Config.Context; {
	case len(ids) == 0:
		return nil, fault.Usagef("the prompt is empty: expected words such as \"two plus three equals\"")
	case len(ids) > context:
		return nil, fault.Usagef("the prompt has %d tokens: expected at most %d, the context of the model", len(ids), context)
	}
	generated, err := a.generator.Generate([][]int32{ids}, a.sampling, a.top)
	if err != nil {
		return nil, err
	}
	return a.reply(prompt, generated[0]), nil
}

// reply puts generated tokens into text.
func (a *asker) reply(prompt string, choices []model.Choice) *reply {
	r := &reply{prompt: prompt, answer: a.text(choices), hint: a.hint(prompt)}
	for _, c := range choices {
		token := chosen{candidate: a.candidate(c.Candidate), Top: []candidate{}}
		for _, t := range c.Top {
			token.Top = append(token.Top, a.candidate(t))
		}
		r.tokens = append(r.tokens, token)
	}
	if choices[len(choices)-1].Token != a.tokenizer.EOS() {
		r.stop = fmt.Sprintf("the context of %d tokens is full", a.model.Config.Context)
		if len(choices) == a.sampling.MaxTokens {
			r.stop = fmt.Sprintf("-max-tokens %d", a.sampling.MaxTokens)
		}
	}
	return r
}

// hint tells who asks a model of questions something else what it has learned to answer.
func (a *asker) hint(prompt string) string {
	words := strings.Fields(prompt)
	if _, known := a.tokenizer.ID(arithmetic.Equals); known && words[len(words)-1] != arithmetic.Equals {
		return fmt.Sprintf("the model has learned to go on behind questions that end with %q", arithmetic.Equals)
	}
	return ""
}

// text is the generated text without special tokens.
func (a *asker) text(choices []model.Choice) string {
	var ids []int32
	for _, c := range choices {
		ids = append(ids, c.Token)
	}
	return a.tokenizer.Decode(ids)
}

func (a *asker) candidate(c model.Candidate) candidate {
	return candidate{a.tokenizer.Token(c.Token), c.Probability}
}
