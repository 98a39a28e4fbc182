package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"trainer/internal/cli"
	"trainer/internal/fault"
	"trainer/internal/web"
	"trainer/model"
	"trainer/train"
)

// arguments is what can be chosen.
type arguments struct {
	preset         string
	task           string // of taskAuto and so on; settled before anything is read
	data, evalData string
	corpus         corpusKind // what -data names, where that is a corpus
	tokenizer      string
	heldOut        float64
	heldOutGiven   bool
	splitSeed      uint64
	evaluateTokens int

	initFrom                string
	config                  model.Config
	architecture, positions string

	options       train.Options
	target        float64
	evaluateEvery int

	device                    string
	rankTimeout               int // seconds
	out                       string
	resume, overwrite         bool
	saveEvery, stopAfter      int
	keep                      train.Keep
	tensorboard               bool
	http                      string
	listener                  *web.Listener // of http on the process that serves; taken before anything is written
	quiet, json               bool
	onlyEstimate              bool
	processes                 int // that train together
	cores                     int // that this process has, or its share of those that several may use
	cpuProfile, memoryProfile string
}

// defaults are those of the word calculator.
func defaults() *arguments {
	return &arguments{
		task: taskAuto, tokenizer: autoTokenizer, heldOut: 0.1, splitSeed: 7, evaluateTokens: 1 << 17,
		config: model.Calculator(0), architecture: string(model.GPT2), positions: string(model.Learned),
		options: train.Calculator(), evaluateEvery: 1000, saveEvery: 1000,
		processes: 1, cores: runtime.GOMAXPROCS(0), device: "auto", rankTimeout: 60, out: defaultOut,
	}
}

// defaultOut is the run folder of the word calculator.
const defaultOut = "runs/calculator"

// flags defines the flags.
func (a *arguments) flags() *cli.Flags {
	f := cli.New("train", "Trains a transformer from examples and shows how it learns. Without flags: the word calculator.",
		"go run ./cmd/train                            the word calculator, in seconds",
		"go run ./cmd/train -seed 2 -out runs/second   another one",
		"go run ./cmd/train -data sums.txt             your own examples, one a line",
		"go run ./cmd/train -data book.txt             a text, letter by letter",
		"go run ./cmd/train -data book.txt -init-from gpt2/   with the weights of another model",
		"go run ./cmd/train -resume                    go on where a run was stopped",
	)
	g := f.Group("Data")
	g.String(&a.data, "data", "`file` of lines like \"two plus three equals five\", or of text, also .jsonl or .parquet, or a folder of such texts or of shards; "+
		"none: all arithmetic over 0 to 99")
	g.String(&a.task, "task", "what the file is: examples, text, or auto, which looks at its first line")
	g.String(&a.evalData, "eval-data", "`file` to evaluate on, rather than holding something out")
	g.Float(&a.heldOut, "held-out", "`share` of the examples, or of the end of the text, that is never trained on")
	g.Uint64(&a.splitSeed, "split-seed", "seed that chooses the examples")
	g.String(&a.tokenizer, "tokenizer", "of text: char, bytes, bpe:4096 (learned from it), the `path` of a tokenizer's file or folder, or auto")

	g = f.Group("Model")
	g.String(&a.preset, "preset", "flags that go together: calculator; for text: shakespeare-char, gpt2, gpt2-medium, gpt2-large, gpt2-xl, llama; to estimate: gpt3, gpt4")
	g.String(&a.initFrom, "init-from", "`folder` of a model to begin with, of Hugging Face or an earlier run: its weights, sizes and tokenizer")
	c := &a.config
	g.String(&a.architecture, "architecture", "gpt2: layer norm, GELU, biases; or llama: RMS norm, SwiGLU, rotary positions, no biases")
	g.Int(&c.Layers, "layers", "transformer blocks")
	g.Int(&c.Heads, "heads", "attention heads of a block")
	g.Int(&c.KVHeads, "kv-heads", "of a llama: heads of keys and values, which those of queries share; 0 is as many")
	g.Int(&c.Width, "d-model", "width of the model; the MLP is four times as wide, or with SwiGLU 8/3 times")
	g.Int(&c.Context, "context", "longest sequence in tokens; with -data, by default, what its examples need")
	g.String(&a.positions, "positions", "`kind` of position: learned, sinusoidal or rotary; a llama has rotary ones")
	g.Bool(&c.TiedHead, "tied", "use the token embeddings as the output layer too")

	g = f.Group("Training")
	o := &a.options
	g.Int(&o.Steps, "steps", "optimizer steps")
	g.Int(&o.Batch, "batch", "examples in a batch")
	g.Int(&o.Accumulate, "accumulate", "batches whose gradients are added up for a step")
	g.String(&o.Optimizer, "optimizer", "adamw; muon: steps that are orthogonal matrices; or sgd: weight_new = weight_old - lr x gradient")
	g.Float(&o.LearningRate, "lr", "learning `rate`; 0.5 for sgd unless given")
	g.Float(&o.FinalLearningRate, "final-lr", "learning `rate` at the end of a schedule that falls")
	g.String(&o.Schedule, "schedule", "constant, cosine, linear, or wsd: constant, then linear at the end")
	g.Float(&o.DecayShare, "decay-share", "`share` of the steps in which wsd falls")
	g.Int(&o.WarmUp, "warmup", "`steps` in which the learning rate rises from 0; at most a tenth of all unless given")
	g.Float(&o.Beta1, "beta1", "AdamW: how much the mean gradient keeps of itself each step")
	g.Float(&o.Beta2, "beta2", "AdamW: the same of the mean squared gradient")
	g.Float(&o.WeightDecay, "weight-decay", "AdamW: how much of the learning rate shrinks matrices")
	g.Float(&o.Clip, "clip", "largest `norm` of the gradient; 0 is no limit")
	g.Float(&o.Dropout, "dropout", "`share` of activations that fall in a step, behind the embeddings and on each residual branch, not of attention weights; 0 is none")
	g.String(&o.Loss, "loss", "answer: learn the answers; all: learn the questions too")
	g.Var(repeats(o.Repeats), "repeat", "deal the examples of an operation n times an epoch: `op=n,...`")
	g.Uint64(&o.Seed, "seed", "seed of weights and order; the same seed and threads give the same bits")
	g.Int(&a.evaluateEvery, "evaluate-every", "`steps` between evaluations on what is held out; 0 is never")
	g.Int(&a.evaluateTokens, "evaluate-tokens", "of text: the most `tokens` of an evaluation")
	g.Float(&a.target, "target-accuracy", "stop when this `share` of the held-out answers is right; 0 is never")

	g = f.Group("Device")
	g.String(&a.device, "device", "auto, cpu, cuda or cuda:1; auto takes the best there is and says why")
	g.String(&o.Precision, "precision", "f32; or bf16: what matrix products read is rounded to 16 bits, on a GPU what they write too; on a CPU with AVX512-BF16")
	g.String(&o.GEMM, "gemm", "who multiplies matrices on a GPU: cublaslt, own, or auto, cuBLASLt where it is installed")
	g.Bool(&o.Recompute, "recompute", "compute activations again for the gradients rather than keep them: the same results, less memory, more time")
	o.Threads = a.defaultThreads(o.Batch * c.Context)
	g.Int(&o.Threads, "threads", "threads of the CPU; of each process, where several train together")
	g.Int(&a.rankTimeout, "rank-timeout", "of processes that train together: `seconds` that one may not come or not be heard of before all end")

	g = f.Group("Run folder")
	g.String(&a.out, "out", "`folder` of the run; with -data, by default, runs/<name of the file>")
	g.Bool(&a.resume, "resume", "go on from the last checkpoint, with the flags of the run")
	g.Bool(&a.overwrite, "overwrite", "replace what the folder holds, an unfinished run included")
	g.Int(&a.saveEvery, "save-every", "`steps` between checkpoints; 0 is at the end only")
	g.Int(&a.keep.Last, "keep", "checkpoints before the current one that are kept, in checkpoints/; without -keep and -keep-best those of small models")
	g.Var((*keepBest)(&a.keep.Best), "keep-best",
		"keep the best checkpoint too: by held-out loss, or -keep-best=accuracy; one is written behind each best evaluation")
	g.Int(&a.stopAfter, "stop-after", "save and stop at this `step`, as if interrupted; 0 is never")
	g.Bool(&a.tensorboard, "tensorboard", "write event files for TensorBoard, into tensorboard/")
	f.Config(g)

	g = f.Group("Output")
	g.Bool(&a.onlyEstimate, "estimate", "print what the training would take, in memory and time, and train nothing")
	g.Bool(&a.quiet, "quiet", "print the result only")
	g.Bool(&a.json, "json", "print one JSON object a line")
	g.String(&a.http, "http", "serve the page of the run, which shows it from inside, and /metrics for Prometheus, at `address`, such as :8080, "+
		"which only this machine can reach unless it names a host such as 0.0.0.0:8080")
	g.String(&a.cpuProfile, "cpuprofile", "write a CPU profile for go tool pprof to `file`")
	g.String(&a.memoryProfile, "memprofile", "write a memory profile to `file`")
	return f
}

// defaultThreads is all cores that this process has, as long as each has a few examples of a batch, of so many tokens at most, to work on.
func (a *arguments) defaultThreads(tokens int) int {
	const each = 96
	return max(1, min(a.cores, tokens/each))
}

// passing are the flags that are about this process alone: a resumed run does not take them over.
var passing = []string{"out", "resume", "overwrite", "stop-after", "config", "estimate", "rank-timeout", "quiet", "json", "http",
	"cpuprofile", "memprofile"}

// changeable are the flags that may change when a run is resumed. Where the data lies is among them; that it is the same is checked by its
// content.
var changeable = []string{
	"data", "eval-data", "steps", "evaluate-every", "target-accuracy", "device", "gemm", "recompute", "threads", "save-every",
	"keep", "keep-best", "tensorboard",
}

// runArguments are the values of the flags that a resumed run takes over.
func runArguments(f *cli.Flags) map[string]string {
	values := make(map[string]string)
	for name, value := range f.Values() {
		if !slices.Contains(passing, name) {
			values[name] = value
		}
	}
	return values
}

// sgdLearningRate is the default for plain gradient descent, whose steps are much smaller than AdamW's at the same rate. In 3,000 steps of the
// calculator it comes to a loss of 0.69, and AdamW's 0.003 to 1.58.
const sgdLearningRate = 0.5

// settle fills in what depends on other flags, and checks what can be checked without data.
func (a *arguments) settle(f *cli.Flags) error {
	if f.NArg() > 0 {
		return fault.Usagef("%q is not a flag: flags begin with -, and a switch is turned off as in -tied=false", f.Arg(0))
	}
	var err error
	a.corpus = corpusKindOf(a.data)
	if a.task, err = a.chooseTask(); err != nil {
		return err
	}
	warmUp := f.Given("warmup")
	asked := f.Given("tokenizer")
	a.heldOutGiven = f.Given("held-out") && !a.resume
	if err := a.applyPreset(f); err != nil {
		return err
	}
	if a.corpus != noCorpus && !asked {
		a.tokenizer = autoTokenizer // whatever the preset says: the shards have one, or bytes in pieces make fewer tokens
	}
	if a.data != "" && !f.Given("repeat") {
		clear(a.options.Repeats)
	}
	o := &a.options
	if !f.Given("threads") {
		o.Threads = a.defaultThreads(o.Batch * a.config.Context / a.processes)
	}
	if !warmUp {
		o.WarmUp = min(o.WarmUp, o.Steps/10)
	}
	if o.Optimizer == "sgd" && !f.Given("lr") {
		o.LearningRate = sgdLearningRate
	}
	if a.initFrom == "" {
		a.settleModel(f)
	}
	switch {
	case !(a.heldOut >= 0 && a.heldOut < 1):
		return fault.Usagef("-held-out %g: expected a share of 0 or more and less than 1, such as 0.1", a.heldOut)
	case !(a.target >= 0 && a.target <= 1):
		return fault.Usagef("-target-accuracy %g: expected a share of 0 (never stop) to 1", a.target)
	case a.evaluateTokens < 1:
		return fault.Usagef("-evaluate-tokens %d: expected at least 1", a.evaluateTokens)
	case a.evaluateEvery < 0 || a.saveEvery < 0 || a.stopAfter < 0:
		return fault.Usagef("-evaluate-every %d -save-every %d -stop-after %d: expected steps, 0 (never) or more",
			a.evaluateEvery, a.saveEvery, a.stopAfter)
	case a.keep.Last < 0:
		return fault.Usagef("-keep %d: expected 0 checkpoints or more", a.keep.Last)
	case a.keep.Best != "" && a.heldOut == 0 && a.evalData == "":
		return fault.Usagef("-keep-best with -held-out 0: expected something held out, or -eval-data, by which the best is known")
	case a.resume && a.overwrite:
		return fault.Usagef("-resume and -overwrite: expected one of them: go on with the run in the folder, or replace it")
	case a.quiet && a.json:
		return fault.Usagef("-quiet and -json: expected one of them")
	case a.data != "" && overlap(a.out, a.data):
		return fault.Usagef("-out %s and -data %s are one in the other: expected a run folder apart from the data, which a later run would set aside with it",
			a.out, a.data)
	}
	if a.http != "" {
		if a.http, err = web.Address(a.http); err != nil {
			return fmt.Errorf("-http: %w", err)
		}
	}
	if err := a.options.Validate(); err != nil {
		return fault.InFlags(err, flagOf)
	}
	check := a.config
	check.VocabSize = max(check.VocabSize, 1)
	if err := check.Validate(); err != nil {
		return fault.InFlags(err, flagOf)
	}
	return a.listen()
}

// listen takes the port of -http where the run will be served, so that one in use is told of before anything is done. Until the pages are
// served, who asks waits.
func (a *arguments) listen() error {
	if a.http == "" || a.onlyEstimate || rankOf() > 0 {
		return nil
	}
	var err error
	if a.listener, err = web.Listen(a.http); err != nil {
		return fmt.Errorf("-http: %w", err)
	}
	return nil
}

// settleModel fills in what the architecture decides.
func (a *arguments) settleModel(f *cli.Flags) {
	c := &a.config
	c.Architecture, c.MLPWidth = model.Architecture(a.architecture), 4*c.Width
	if c.Architecture == model.Llama {
		c.MLPWidth = model.GatedMLPWidth(c.Width)
		if !f.Given("positions") {
			a.positions = string(model.Rotary)
		}
		if c.KVHeads == 0 {
			c.KVHeads = c.Heads
		}
	}
	c.Positions = model.Positions(a.positions)
}

// runFolder is where a run is kept that -out does not name.
func (a *arguments) runFolder() string {
	if a.data == "" {
		return defaultOut
	}
	base := filepath.Base(a.data)
	out := filepath.Join("runs", strings.TrimSuffix(base, filepath.Ext(base)))
	if overlap(out, a.data) {
		out += "-model"
	}
	return out
}

// overlap says that one of two paths leads to the other or into it.
func overlap(a, b string) bool { return within(a, b) || within(b, a) }

// within says that a path leads to a folder or into it.
func within(path, folder string) bool {
	path, failed := filepath.Abs(path)
	folder, err := filepath.Abs(folder)
	if failed != nil || err != nil {
		return false
	}
	way, err := filepath.Rel(folder, path)
	return err == nil && way != ".." && !strings.HasPrefix(way, ".."+string(filepath.Separator))
}

// flagOf are the flags of options of packages model and train, where they are not called alike.
var flagOf = map[fault.Option]string{
	"n_layer": "layers", "n_head": "heads", "n_embd": "d-model", "n_positions": "context", "n_inner": "d-model", "position_embedding": "positions",
	"num_hidden_layers": "layers", "num_attention_heads": "heads", "num_key_value_heads": "kv-heads", "hidden_size": "d-model",
	"intermediate_size": "d-model", "max_position_embeddings": "context",
	"learning_rate": "lr", "final_learning_rate": "final-lr", "warm_up": "warmup", "repeats": "repeat",
}

// repeats is the value of -repeat.
type repeats map[string]int

func (r repeats) String() string {
	var parts []string
	for _, operation := range slices.Sorted(maps.Keys(r)) {
		parts = append(parts, fmt.Sprintf("%s=%d", operation, r[operation]))
	}
	return strings.Join(parts, ",")
}

// Set replaces the whole list.
func (r repeats) Set(text string) error {
	clear(r)
	for _, part := range strings.Split(text, ",") {
		if part == "" {
			continue
		}
		operation, count, ok := strings.Cut(part, "=")
		n, err := strconv.Atoi(count)
		if !ok || err != nil || operation == "" {
			return fmt.Errorf("%q: expected operation=number, such as times=3", part)
		}
		r[operation] = n
	}
	return nil
}

// keepBest is the value of -keep-best, which can be given without one.
type keepBest train.Measure

func (k *keepBest) String() string { return string(*k) }

// IsBoolFlag makes package flag accept it alone.
func (k *keepBest) IsBoolFlag() bool { return true }

// Set chooses a measure.
func (k *keepBest) Set(text string) error {
	switch m := train.Measure(text); {
	case m == train.ByLoss || m == train.ByAccuracy:
		*k = keepBest(text)
	case text == "true":
		*k = keepBest(train.ByLoss)
	case text == "false" || text == "":
		*k = ""
	default:
		return fmt.Errorf("%q: expected %s or %s", text, train.ByLoss, train.ByAccuracy)
	}
	return nil
}
