package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"trainer/internal/arithmetic"
	"trainer/internal/cli"
	"trainer/internal/cpu"
	"trainer/internal/detokenize"
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
	questions bool // the model has learned to answer questions, rather than to continue texts
	sampling  model.Sampling
	stops     []string
	samples   int // replies to a prompt
	top       int
}

// reply is what a model made of a prompt.
type reply struct {
	prompt, answer string
	question       bool
	sample, of     int // the how manieth of how many, from 1
	seed           uint64
	tokens         []chosen
	hint           string // what is unlike the questions that the model has learned to answer, or empty
	stop           string // why the answer is cut off; empty when it ends with the end token or before a stop string
	shown          bool   // the text was printed as it came
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

// newAsker loads the model of a run folder, and settles what the flags leave to it. Errors of the folder are of class data.
func newAsker(a *arguments, f *cli.Flags) (*asker, error) {
	m, t, err := load(a.model)
	if err != nil {
		return nil, err
	}
	questions := answersQuestions(t)
	if err := a.adapt(f, questions); err != nil {
		return nil, err
	}
	backend, err := newBackend(a)
	if err != nil {
		return nil, err
	}
	ask := &asker{
		dir: a.model, model: m, tokenizer: t, backend: backend, generator: model.NewGenerator(model.NewExecutor(m, backend)),
		questions: questions, sampling: a.sampling, stops: a.stops, samples: a.samples, top: a.top,
	}
	if a.weights == device.Weights[0] {
		return ask, nil
	}
	return ask, ask.warmUp()
}

// warmUp has the model read a token, so that packed weights are there, and their memory is known, before the first prompt is.
func (a *asker) warmUp() error {
	_, err := a.generator.Generate([][]int32{{0}}, model.Sampling{TopP: 1, RepetitionPenalty: 1, MaxTokens: 1}, 0)
	return err
}

// answersQuestions says whether a tokenizer is that of a model which was trained on examples, in words.
func answersQuestions(t tokenizer.Tokenizer) bool {
	_, words := t.(*tokenizer.Word)
	_, equals := t.ID(arithmetic.Equals)
	return words && equals
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
	return device.OpenCPU(a.threads, a.precision, a.weights), nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// noModel says how to get the model that is missing.
func noModel(dir string) error {
	command := cli.Sibling("train")
	if dir != defaultModel {
		command += " -out " + dir
	}
	if previous := filepath.Clean(dir) + ".previous"; isFile(filepath.Join(previous, model.ConfigFile)) {
		return fault.Dataf("there is no trained model in %s: the run before it is in %s, ask that with -model, or train with `%s`", dir, previous, command)
	}
	return fault.Dataf("there is no trained model in %s: train one with `%s`, or name another folder with -model", dir, command)
}

// String describes the model in a line.
func (a *asker) String() string {
	memory := format.Bytes(4 * a.model.Config.NumParameters())
	if b, ok := a.backend.(*cpu.Backend); ok && b.Packed() > 0 {
		memory += fmt.Sprintf(" and %s packed", format.Bytes(b.Packed()))
	}
	return fmt.Sprintf("%s: %s weights (%s), a vocabulary of %s tokens, on %s",
		a.dir, format.Thousands(a.model.Config.NumParameters()), memory, format.Thousands(a.model.Config.VocabSize), a.backend.Device())
}

func (a *asker) close() { a.backend.Close() }

// answer asks a prompt and prints the replies. Errors that are the prompt's are of class usage.
func (a *asker) answer(ctx context.Context, prompt string, p printer) error {
	show := p.live(prompt)
	replies, err := a.ask(ctx, prompt, show)
	if errors.Is(err, fault.ErrInterrupted) && show != nil {
		return errors.Join(err, show("\n"))
	}
	if err != nil {
		return err
	}
	for _, r := range replies {
		if err := p.reply(r); err != nil {
			return err
		}
	}
	return nil
}

// ask continues a prompt, once for each sample. show, unless it is nil, is given the text of the only one as it comes, and before that "".
// Errors that are the prompt's are of class usage.
func (a *asker) ask(ctx context.Context, prompt string, show func(text string) error) ([]*reply, error) {
	ids, err := a.tokenizer.Encode(prompt)
	if err != nil {
		return nil, fault.Usagef("%w%s", err, a.inWords(err))
	}
	switch context := a.model.Config.Context; {
	case len(ids) == 0:
		return nil, fault.Usagef("the prompt is empty: expected words such as \"two plus three equals\"")
	case len(ids) > context:
		return nil, fault.Usagef("the prompt has %d tokens: expected at most %d, the context of the model", len(ids), context)
	}
	if show != nil {
		if err := show(""); err != nil {
			return nil, err
		}
	}
	requests, streams := make([]model.Request, a.samples), make([]*detokenize.Stream, a.samples)
	choices := make([][]model.Choice, a.samples)
	for i := range requests {
		requests[i] = model.Request{Prompt: ids, Sampling: a.sampling, Top: a.top}
		requests[i].Seed += uint64(i)
		streams[i] = detokenize.New(a.tokenizer, ids, a.stops)
	}
	var showing error
	err = a.generator.Stream(ctx, requests, func(i int, c model.Choice) bool {
		choices[i] = append(choices[i], c)
		if text := streams[i].Add(c.Token); show != nil && text != "" {
			showing = show(text)
		}
		return showing == nil && !streams[i].Stopped()
	})
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, fault.ErrInterrupted
	case err != nil || showing != nil:
		return nil, cmp.Or(err, showing)
	}
	replies := make([]*reply, a.samples)
	for i, s := range streams {
		if rest := s.Flush(); show != nil && rest != "" {
			if err := show(rest); err != nil {
				return nil, err
			}
		}
		r := a.reply(prompt, choices[i], s)
		r.sample, r.of, r.seed, r.shown = i+1, a.samples, requests[i].Seed, show != nil
		replies[i] = r
	}
	return replies, nil
}

// reply puts generated tokens into text.
func (a *asker) reply(prompt string, choices []model.Choice, text *detokenize.Stream) *reply {
	r := &reply{prompt: prompt, answer: text.Text(), question: a.questions, hint: a.hint(prompt)}
	if a.questions {
		r.answer = strings.TrimPrefix(r.answer, " ") // which stands between question and answer
	}
	for _, c := range choices {
		token := chosen{candidate: a.candidate(c.Candidate), Top: []candidate{}}
		for _, t := range c.Top {
			token.Top = append(token.Top, a.candidate(t))
		}
		r.tokens = append(r.tokens, token)
	}
	if choices[len(choices)-1].Token != a.tokenizer.EOS() && !text.Stopped() {
		r.stop = fmt.Sprintf("the context of %d tokens is full", a.model.Config.Context)
		if len(choices) == a.sampling.MaxTokens {
			r.stop = fmt.Sprintf("-max-tokens %d", a.sampling.MaxTokens)
		}
	}
	return r
}

// hint tells who asks a model of questions something else what it has learned to answer.
func (a *asker) hint(prompt string) string {
	if words := strings.Fields(prompt); a.questions && words[len(words)-1] != arithmetic.Equals {
		return fmt.Sprintf("the model has learned to go on behind questions that end with %q", arithmetic.Equals)
	}
	return ""
}

// inWords tells who asks a model of questions in figures how they are asked.
func (a *asker) inWords(err error) string {
	if unknown := (*tokenizer.UnknownWordsError)(nil); a.questions && errors.As(err, &unknown) && unknown.Has(arithmetic.InFigures) {
		return `; numbers and signs are words here, as in "two plus three equals"`
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
