package main

import (
	"cmp"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"

	"trainer/internal/cli"
	"trainer/internal/device"
	"trainer/internal/export"
	"trainer/internal/fault"
	"trainer/model"
)

// defaultModel is the folder that the trainer writes to without flags.
const defaultModel = "runs/calculator"

// maxThreads is far above what helps.
const maxThreads = 1024

// maxSamples is how many answers to a prompt are a reasonable number.
const maxSamples = 1024

// arguments is what can be chosen.
type arguments struct {
	model, eval        string
	export, exportType string
	serve              string
	sampling           model.Sampling
	stops              stops
	samples            int
	top                int
	device             string
	precision          string
	weights            string
	gemm               string
	threads            int
	stream             bool
	quiet, json        bool
}

// stops is the value of -stop: each use of the flag adds a string.
type stops []string

func (s *stops) String() string { return strings.Join(*s, " ") }

func (s *stops) Set(text string) error {
	if text == "" {
		return errors.New("\"\": expected a text that the answer ends before")
	}
	*s = append(*s, text)
	return nil
}

func defaults() *arguments {
	return &arguments{model: defaultModel, exportType: export.Types[0], top: 5,
		sampling: model.Sampling{TopP: 1, RepetitionPenalty: 1}, samples: 1,
		device: "auto", precision: device.Precisions[0], weights: device.Weights[0], gemm: device.GEMMs[0], threads: runtime.GOMAXPROCS(0)}
}

// flags defines the flags.
func (a *arguments) flags() *cli.Flags {
	f := cli.New("generate", "Asks a trained model and shows how likely it found each word of its answer.",
		"go run ./cmd/generate \"two plus three equals\"     one question",
		"go run ./cmd/generate                             one question after the other; quit ends",
		"go run ./cmd/generate -quiet < questions.txt      one a line, answers only",
		"go run ./cmd/generate -eval examples.txt          score a file of examples",
		"go run ./cmd/generate -model runs/book -temperature 0.8 -slide -max-tokens 500 \"Once upon a time\"",
		"go run ./cmd/generate -model runs/book -serve :8080",
		"go run ./cmd/generate -model runs/book -export book.gguf -type q8_0",
		"go run ./cmd/generate -temperature 3 -seed 3 \"nine times eleven equals\"",
	)
	f.Exits = "0 done, also when Ctrl-C has ended -serve   1 failure   2 wrong usage\n3 bad data or model   4 device not available   130 interrupted"
	g := f.Group("Model")
	g.String(&a.model, "model", "`folder` of a trained model")

	g = f.Group("Sampling")
	s := &a.sampling
	g.Float(&s.Temperature, "temperature", "0 takes the likeliest token; 1 samples as the model predicts; more is wilder")
	g.Int(&s.TopK, "top-k", "sample among the `k` likeliest tokens; 0 is no limit")
	g.Float(&s.TopP, "top-p", "sample among the likeliest tokens that together have probability `p`; 1 is no limit")
	g.Float(&s.MinP, "min-p", "sample among tokens of at least the share `p` of the likeliest one's probability; 0 is no limit")
	g.Float(&s.RepetitionPenalty, "repetition-penalty", "more than 1 makes tokens less likely that were there before, prompt included")
	g.Uint64(&s.Seed, "seed", "seed of the samples; the same seed gives the same answer")
	g.Int(&a.samples, "n", "answers to sample for each prompt, with the seeds from -seed on")

	g = f.Group("Length")
	g.Int(&s.MaxTokens, "max-tokens", "stop after so many tokens; 0 is no limit but the model's context")
	g.Bool(&s.Slide, "slide", "go on when the context is full, from its newer half, until -max-tokens")
	g.Var(&a.stops, "stop", "end the answer before this `text`; may be given several times")

	g = f.Group("Evaluation")
	g.String(&a.eval, "eval", "`file` of examples, one a line: count how many the model answers exactly, and list those it does not")

	g = f.Group("Export")
	g.String(&a.export, "export", "write the model to a `path`: a file for llama.cpp, such as model.gguf, or a folder for transformers")
	g.String(&a.exportType, "type", "of its weights: f32, f16, bf16, or in a file q8_0")

	g = f.Group("Server")
	g.String(&a.serve, "serve", "answer OpenAI's API of completions at an `address`, such as :8080, which is this machine alone; "+
		"another host, such as 0.0.0.0:8080, makes a token that requests need")

	g = f.Group("Device")
	g.String(&a.device, "device", "auto, cpu, cuda or cuda:1; auto takes the best there is")
	g.String(&a.precision, "precision", "f32; or bf16 on a GPU, or a CPU with AVX512-BF16")
	g.String(&a.weights, "weights", "how a CPU reads the model: f32 as it is; bf16 in 16 bits or int8 in 8, which is less to read and nearly as good")
	g.String(&a.gemm, "gemm", "who multiplies matrices on a GPU: cublaslt, own or auto")
	g.Int(&a.threads, "threads", "threads of the CPU")

	g = f.Group("Output")
	g.Int(&a.top, "top", "likeliest tokens to show for each token of the answer; 0 shows none, as texts do without the flag")
	g.Bool(&a.stream, "stream", "print a text as it comes; without the flag on terminals only")
	g.Bool(&a.quiet, "quiet", "print the answer only, or with -eval the exact match")
	g.Bool(&a.json, "json", "print one JSON object a line")
	return f
}

// check returns a usage error for what cannot be or does not go together.
func (a *arguments) check(f *cli.Flags) error {
	if err := a.sampling.Validate(); err != nil {
		return fault.InFlags(err, nil)
	}
	switch {
	case a.top < 0:
		return fault.Usagef("-top %d: expected 0 (none) or more", a.top)
	case a.threads < 1 || a.threads > maxThreads:
		return fault.Usagef("-threads %d: expected 1 to %d", a.threads, maxThreads)
	case a.samples < 1 || a.samples > maxSamples:
		return fault.Usagef("-n %d: expected 1 to %d", a.samples, maxSamples)
	case a.samples > 1 && a.sampling.Temperature == 0:
		return fault.Usagef("-n %d: without -temperature all answers are the likeliest one: expected both", a.samples)
	case a.stream && a.samples > 1:
		return fault.Usagef("-stream and -n %d: several answers are printed when they are whole: expected one of the flags", a.samples)
	case a.stream && a.json:
		return fault.Usagef("-stream and -json: an object is printed when it is whole: expected one of the flags")
	case a.json && a.quiet:
		return fault.Usagef("-json and -quiet are two ways to print: choose one")
	}
	for _, word := range f.Args() {
		if len(word) > 1 && strings.HasPrefix(word, "-") && f.Lookup(strings.TrimLeft(word, "-")) != nil {
			return fault.Usagef("%s comes behind the prompt: flags go before it", word)
		}
	}
	if f.NArg() > 1 && slices.ContainsFunc(f.Args(), func(word string) bool { return strings.ContainsAny(word, " \n") }) {
		return fault.Usagef("%d prompts: expected one, in quotes or as single words; several go to standard input, one a line", f.NArg())
	}
	if err := cmp.Or(a.checkExport(f), a.checkServe(f)); err != nil || a.eval == "" {
		return err
	}
	if f.NArg() > 0 {
		return fault.Usagef("-eval asks the questions of %s: leave out the prompt %q", a.eval, strings.Join(f.Args(), " "))
	}
	for _, name := range samplingFlags {
		if f.Given(name) {
			return fault.Usagef("-eval scores whole greedy answers: leave out -%s", name)
		}
	}
	return nil
}

// samplingFlags say how prompts of the command line are continued.
var samplingFlags = []string{
	"temperature", "top-k", "top-p", "min-p", "repetition-penalty", "seed", "n", "max-tokens", "slide", "stop", "stream",
}

// adapt settles what the flags leave to the kind of model. The error is one of usage.
func (a *arguments) adapt(f *cli.Flags, answersQuestions bool) error {
	switch {
	case answersQuestions && a.stream:
		return fault.Usagef("-stream: the model of %s answers questions, and answers are printed when they are whole: leave it out", a.model)
	case answersQuestions:
		return nil
	}
	if !f.Given("stream") {
		a.stream = cli.TerminalOf(os.Stdout).Live && a.samples == 1 && !a.json
	}
	if !f.Given("top") && !a.json {
		a.top = 0
	}
	return nil
}
