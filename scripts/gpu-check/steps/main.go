// Command steps times training steps of a GPT-2 on random tokens, for each of several precisions, makers of matrix products and batch sizes.
//
//	flags -> workload: the model's sizes and random tokens -> train.Trainer -> times of steps -> a row of the table
//
// A step is waited for before the next one begins, so that its time is what the GPU and the host take together; cmd/train begins the next
// step meanwhile. Start at run; workload.go is what is trained.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"trainer/internal/cli"
	"trainer/internal/cuda/driver"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/format"
	"trainer/model"
	"trainer/train"
)

// arguments is what can be chosen.
type arguments struct {
	device                        string
	batches, precisions, products string // lists with commas
	steps                         int
	config                        model.Config
}

// defaults are a GPT-2 of 124 million weights (Radford et al. 2019).
func defaults() *arguments {
	return &arguments{
		device: device.CUDA, batches: "4,8,16", precisions: "f32,bf16", products: "own,auto", steps: 20,
		config: model.Config{
			Architecture: model.GPT2, VocabSize: 50257, Context: 1024, Width: 768, Layers: 12, Heads: 12, MLPWidth: 4 * 768,
			Epsilon: 1e-5, Positions: model.Learned, TiedHead: true, BOS: model.NoToken, EOS: model.NoToken, PAD: model.NoToken,
		},
	}
}

func main() {
	a := defaults()
	f := cli.New("steps", "Times training steps of a GPT-2 on random tokens.",
		"go run -tags gpu ./scripts/gpu-check/steps",
		"go run -tags gpu ./scripts/gpu-check/steps -precision bf16 -batch 32,64",
	)
	g := f.Group("What is timed")
	g.String(&a.device, "device", "auto, cpu, cuda or cuda:1, or cuda-emulated")
	g.String(&a.precisions, "precision", "f32, bf16, or both with a comma between")
	g.String(&a.products, "gemm", "who multiplies matrices on a GPU: own, cublaslt or auto, with commas between")
	g.String(&a.batches, "batch", "sequences in a step: numbers with commas between")
	g.Int(&a.steps, "steps", "timed steps in a row of the table, behind 3 that are not")
	g = f.Group("Model")
	g.Int(&a.config.VocabSize, "vocabulary", "tokens")
	g.Int(&a.config.Context, "context", "tokens in a sequence")
	g.Int(&a.config.Width, "d-model", "width of the residual stream; an MLP's hidden layer has 4 times as many")
	g.Int(&a.config.Layers, "layers", "transformer blocks")
	g.Int(&a.config.Heads, "heads", "attention heads of a block")
	cli.Main(f, func(ctx context.Context) error {
		a.config.MLPWidth = 4 * a.config.Width
		return run(ctx, a, os.Stdout)
	})
}

// run prints a row for each combination. One that does not fit the GPU's memory is no error.
func run(ctx context.Context, a *arguments, w io.Writer) error {
	if a.steps < 1 {
		return fault.Usagef("-steps %d: expected at least 1", a.steps)
	}
	if err := a.config.Validate(); err != nil {
		return err
	}
	sizes, err := numbers("batch", a.batches)
	if err != nil {
		return err
	}
	chosen, err := device.Choose(a.device, 0)
	if err != nil {
		return err
	}
	load := newWorkload(a.config, 1+2*slices.Max(sizes))
	c := a.config
	fmt.Fprintf(w, "%s weights, %d layers, width %d, %d tokens in a sequence, vocabulary %s; median and least of %d steps\n",
		format.Thousands(c.NumParameters()), c.Layers, c.Width, c.Context, format.Thousands(c.VocabSize), a.steps)
	fmt.Fprintln(w, "peak: of an H100 SXM, 989 TFLOP/s in bf16 and 67 in f32; attention is counted for the pairs that it looks at")
	fmt.Fprintf(w, "%9s %8s %5s %10s %10s %9s %9s %8s %6s %10s  on\n",
		"precision", "products", "batch", "ms a step", "least", "tokens/s", "TFLOP/s", "of peak", "loss", "then")
	var failed []error
	for _, precision := range strings.Split(a.precisions, ",") {
		for _, gemm := range strings.Split(a.products, ",") {
			for _, batch := range sizes {
				fmt.Fprintf(w, "%9s %8s %5d ", precision, gemm, batch)
				o := train.Calculator()
				o.Device, o.Precision, o.GEMM, o.Batch, o.Threads = chosen.Name, precision, gemm, batch, runtime.NumCPU()
				o.LearningRate, o.WarmUp, o.Schedule, o.WeightDecay = 3e-4, 0, "constant", 0.1
				r, err := load.measure(ctx, o, a.steps)
				switch {
				case ctx.Err() != nil:
					return fault.ErrInterrupted
				case err != nil:
					fmt.Fprintln(w, err)
					if !errors.Is(err, driver.ErrOutOfMemory) {
						failed = append(failed, fmt.Errorf("-precision=%s -gemm=%s -batch=%d: %w", precision, gemm, batch, err))
					}
				default:
					r.print(w, precision)
				}
			}
		}
	}
	return errors.Join(failed...)
}

// numbers reads a list of whole numbers of 1 or more.
func numbers(flag, list string) ([]int, error) {
	var all []int
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fault.Usagef("-%s %s: expected whole numbers of 1 or more with commas between, such as 4,8,16", flag, list)
		}
		all = append(all, n)
	}
	return all, nil
}

// result is what came of a row's steps.
type result struct {
	device      string
	seconds     []float64 // of each timed step, in ascending order
	tokens      int       // a step
	flop        float64   // a step
	first, last float64   // losses; the first is that of the initial weights
}

// peaks are the most TFLOP/s of an H100 SXM in dense products with float32 sums, by precision: NVIDIA H100 Tensor Core GPU datasheet.
var peaks = map[string]float64{"f32": 67, "bf16": 989}

func (r *result) print(w io.Writer, precision string) {
	median := r.seconds[len(r.seconds)/2]
	tera := r.flop / median / 1e12
	fmt.Fprintf(w, "%10.3f %10.3f %9.0f %9.2f %7.1f%% %6.3f %10.3f  %s\n", 1e3*median, 1e3*r.seconds[0], float64(r.tokens)/median, tera,
		100*tera/peaks[precision], r.first, r.last, r.device)
}

// measure trains the workload's model from its initial weights and times the steps.
func (l *workload) measure(ctx context.Context, o train.Options, steps int) (r *result, err error) {
	const warm = 3 // the first compiles the program and captures it, the next find clocks and caches as they were
	t, err := l.newTrainer(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	r = &result{device: t.Device()}
	for i := range warm + steps {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		begin := time.Now()
		m, err := t.Step()
		if err != nil {
			return nil, err
		}
		if i >= warm {
			r.seconds = append(r.seconds, time.Since(begin).Seconds())
		}
		if i == 0 {
			r.first = m.Loss
		}
		r.tokens, r.last = m.Tokens, m.Loss
	}
	r.flop = train.FLOP(t.Train, t.Model.Config, t.LastBatch())
	slices.Sort(r.seconds)
	return r, nil
}
