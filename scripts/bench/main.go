// Command bench times the training step of the word calculator, or of a GPT on random tokens, beside the same step in PyTorch, on the same
// batches from the same weights, and says how near it is to what the processor can do.
//
//	ours.go      the trainer's side, peer.go and peer.py that of PyTorch, process.go how to talk to one
//	workload.go  the calculator's examples, the initial weights and the settings that both sides get
//	duel.go      the two in turns
//	command.go   cmd/train as a process: first step, memory, the whole default run
//	report.go    the table and the JSON
//	tokenizer.go encoding and learning beside tiktoken and Hugging Face tokenizers; tokenizer_peer.py, tokenizer_report.go
//	generate.go  answers of GPT-2 beside llama.cpp's and transformers'; generate_files.go, generate_side.go, generate_peer.go and .py,
//	             generate_report.go
//	gpt.go       the models on random tokens, and the two sides in turns; side.go is ours in a process of its own; gpt_report.go; llmc.go
//
// Start at run. Times are medians; the rounds of both sides alternate, so that a busy machine is unfair to neither.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"trainer/internal/cli"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/model"
)

// arguments is what can be chosen.
type arguments struct {
	rounds, threads int
	full, compiled  bool
	model           string
	length          int
	precision       string
	text            string
	vocabulary      string
	llmc            string
	json            string
}

// Values of the flag -model that are not on random tokens. calculator is the default.
const (
	calculator     = "calculator"
	tokenizerModel = "tokenizer"
	generateModel  = "generate"
)

func main() {
	serve := map[string]func(settings string) error{sideArgument: serveSide, generatorArgument: serveGenerator, filesArgument: writeFiles}
	if len(os.Args) == 3 && serve[os.Args[1]] != nil {
		if err := serve[os.Args[1]](os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(fault.ExitCode(err))
		}
		return
	}
	a := &arguments{rounds: 9, threads: runtime.NumCPU(), model: calculator}
	f := cli.New("bench", "Times a model's training step, or what it answers, beside others that do the same, in turns.",
		"go run ./scripts/bench                 a step at three batch sizes",
		"go run ./scripts/bench -full           the whole default run as well",
		"go run ./scripts/bench -model gpt2     GPT-2 of 124 million weights on random tokens",
		"go run ./scripts/bench -model tokenizer -text book.txt",
		"TRAINER_LLAMA_PYTHON=venv/bin/python3 go run ./scripts/bench -model generate",
		"TRAINER_PYTHON=venv/bin/python3 go run ./scripts/bench",
	)
	g := f.Group("What is measured")
	g.String(&a.model, "model", "calculator; gpt2 (124 million weights) or char (4 layers, width 128, 65 letters) on random tokens; "+
		"tokenizer (learning and encoding); generate (GPT-2 that is asked, with weights of 32, 16 and 8 bits)")
	g.Int(&a.length, "length", "with gpt2 and char: tokens in a sequence; 0 is every length that has a target")
	g.String(&a.precision, "precision", "with gpt2: f32 or bf16; empty is both")
	g.Int(&a.rounds, "rounds", "turns of each side in each line of the table")
	g.Int(&a.threads, "threads", "threads of either side")
	g.Bool(&a.compiled, "compile", "time PyTorch with torch.compile too; it needs a C++ compiler")
	g.Bool(&a.full, "full", "train the default calculator from start to end; with tokenizer, make shards of a gigabyte")
	g.String(&a.llmc, "llmc", "with gpt2 in f32: the compiled train_gpt2 of llm.c, to time it too at its 4 sequences of 64 tokens")
	g.String(&a.text, "text", "with tokenizer: `file` with a text in UTF-8")
	g.String(&a.vocabulary, "vocabulary", "with tokenizer: `path` of the tokenizer to encode with, instead of one that is learned from the text")
	g = f.Group("Output")
	g.String(&a.json, "json", "write the numbers to `file` as JSON")
	cli.Main(f, func(ctx context.Context) error { return run(ctx, a) })
}

func run(ctx context.Context, a *arguments) error {
	if a.rounds < 1 || a.threads < 1 {
		return fault.Usagef("-rounds %d -threads %d: expected at least 1", a.rounds, a.threads)
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	switch a.model {
	case calculator:
		return runCalculator(ctx, dir, a)
	case tokenizerModel:
		return runTokenizer(ctx, dir, a)
	case generateModel:
		return runGenerate(ctx, dir, a)
	}
	g, ok := gpts[a.model]
	if !ok {
		return fault.Usagef("-model %q: expected %s, gpt2, char, %s or %s", a.model, calculator, tokenizerModel, generateModel)
	}
	return runGPT(ctx, dir, &g, a)
}

// runGPT times a model on random tokens.
func runGPT(ctx context.Context, dir string, g *gpt, a *arguments) error {
	r := &gptReport{Machine: machine(a.threads), Model: a.model, Batch: g.batch, Rounds: a.rounds}
	lengths, precisions := g.lengths, g.precisions
	if a.length > 0 {
		lengths = []int{a.length}
	}
	if a.precision != "" {
		precisions = []string{a.precision}
	}
	for _, length := range lengths {
		for _, precision := range precisions {
			if err := device.CheckFor(device.CPU, precision, device.GEMMs[0]); err != nil {
				fmt.Fprintf(os.Stderr, "left out: %v\n", err)
				continue
			}
			fmt.Fprintf(os.Stderr, "length %d, %s ...\n", length, precision)
			row, version, noPeer, err := duelGPT(ctx, dir, g, length, precision, a)
			if err != nil {
				return err
			}
			if r.PyTorch = version; noPeer != nil {
				r.NoPeer = noPeer.Error()
			}
			if a.llmc != "" && length == llmcLength && g.batch == llmcBatch && precision == device.Precisions[0] {
				c, o := g.settings(length, precision, a.threads)
				if row.LLMC, err = timeLLMC(ctx, dir, a.llmc, c, o, a.rounds, row.firstLoss); err != nil {
					return err
				}
			}
			r.Rows = append(r.Rows, *row)
		}
	}
	if len(r.Rows) == 0 {
		return fault.Usagef("-precision %s: nothing is left to measure", a.precision)
	}
	r.print(os.Stdout)
	return writeJSON(a.json, r)
}

// runCalculator times the calculator.
func runCalculator(ctx context.Context, dir string, a *arguments) (err error) {
	r := &report{Machine: machine(a.threads), Rounds: a.rounds}
	// First of all, while this process is small: Linux counts its memory in that of a process that it starts.
	fmt.Fprintln(os.Stderr, "cmd/train ...")
	if r.Command, err = timeCommand(ctx, dir, a.full); err != nil {
		return err
	}
	w, err := newWorkload()
	if err != nil {
		return err
	}
	weights := filepath.Join(dir, model.WeightsFile)
	if err := w.writeWeights(weights); err != nil {
		return err
	}
	options := w.options
	options.Threads = a.threads
	peer, err := startPeer(ctx, w.config, options, weights, dir)
	if err != nil {
		r.NoPeer = err.Error()
	} else {
		defer peer.end()
		r.PyTorch = peer.version
	}
	var best float64
	for _, batch := range []int{64, 256, 1024} {
		fmt.Fprintf(os.Stderr, "batch %d ...\n", batch)
		row, err := duel(ctx, w, peer, batch, a)
		if err != nil {
			return err
		}
		r.Steps = append(r.Steps, *row)
		best = max(best, row.peak)
	}
	r.setPeak(best, a.threads)
	if r.PeerMemory, err = peer.end(); err != nil {
		return err
	}
	r.print(os.Stdout)
	return writeJSON(a.json, r)
}
