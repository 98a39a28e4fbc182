package train

import (
	"fmt"
	"testing"
	"time"

	"trainer/internal/cpu/kernel"
	"trainer/internal/team"
	"trainer/internal/vm"
	"trainer/model"
)

func TestASteadyStepAllocatesNothing(t *testing.T) {
	for _, test := range []struct {
		threads, accumulate int
		optimizer           string
	}{{1, 1, "adamw"}, {2, 1, "adamw"}, {2, 3, "adamw"}, {1, 2, "sgd"}} {
		o := quick()
		o.Threads, o.Accumulate, o.Optimizer = test.threads, test.accumulate, test.optimizer
		trainer, plan := newRun(t, sums(t, 9), nil, o)
		step := func() {
			m, err := trainer.Step()
			if err != nil {
				t.Fatal(err)
			}
			if err := plan.Folder.Log(m); err != nil {
				t.Fatal(err)
			}
		}
		step() // compiles the program
		if n := testing.AllocsPerRun(50, step); n != 0 {
			t.Errorf("%+v: a step and its line in metrics.jsonl allocate %g times, want never", test, n)
		}
	}
}

// BenchmarkStep takes steps of the calculator with two threads. Of the arithmetic only matrix products and attention are counted, forward and
// twice that backward, for the tokens that are there; what is computed again, padded or elementwise is not. %gemm compares that with what the
// threads do in matrix products alone, of matrices that fit the second-level cache.
func BenchmarkStep(b *testing.B) {
	const threads = 2
	limit := gemmSpeed(threads)
	for _, batch := range []int{64, 256, 1024} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			o := Calculator()
			o.Batch, o.Threads = batch, threads
			trainer := newTrainerOf(b, model.Calculator(35), mixed(5000), nil, o)
			steps(b, trainer, 50) // compiles the programs of nearly all shapes that come by
			var flop float64
			b.ReportAllocs()
			for b.Loop() {
				if _, err := trainer.Step(); err != nil {
					b.Fatal(err)
				}
				flop += trainer.flop()
			}
			seconds := b.Elapsed().Seconds()
			b.ReportMetric(1e3*seconds/float64(b.N), "ms/step")
			b.ReportMetric(flop/seconds/1e9, "GFLOP/s")
			b.ReportMetric(100*flop/seconds/limit, "%gemm")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// gemmSpeed is the speed of matrix products on several threads at once, in floating-point operations a second.
func gemmSpeed(threads int) float64 {
	const size, repeats = 256, 200
	kernels, workers := kernel.Best(), team.New(threads)
	defer workers.Close()
	product := func(int, int) {
		a, b, c := vm.AlignedFloat32s(size*size), vm.AlignedFloat32s(size*size), vm.AlignedFloat32s(size*size)
		g := kernel.Gemm{M: size, N: size, K: size, A: a, StrideA: size, B: b, StrideB: size, C: c, StrideC: size}
		scratch := vm.AlignedFloat32s(kernels.GemmScratch(size, size, size))
		for range repeats {
			kernels.Gemm(&g, scratch)
		}
	}
	begin := time.Now()
	workers.Run([]team.Phase{product})
	return float64(threads) * repeats * 2 * size * size * size / time.Since(begin).Seconds()
}

// flop is the number of floating-point operations that the last batch asks for.
func (t *Trainer) flop() float64 {
	var tokens, predictions, pairs float64 // pairs of a token with itself or one before it
	for _, i := range t.batch {
		s := &t.Train.sequences[i]
		n := float64(len(s.inputs))
		tokens, predictions, pairs = tokens+n, predictions+float64(s.wanted), pairs+n*(n+1)/2
	}
	c := t.Model.Config
	width, hidden := float64(c.Width), float64(c.MLPWidth)
	forward := 2 * predictions * width * float64(c.VocabSize)
	for layer := range c.Layers {
		rows := tokens // behind attention
		if layer == c.Layers-1 {
			rows = predictions
		}
		forward += 2*tokens*width*3*width + 2*rows*width*width + 2*2*rows*width*hidden + // the four matrices of a block
			2*2*pairs*width // queries with keys, weights with values
	}
	return 3 * forward
}
