package train

import (
	"fmt"
	"testing"

	"trainer/internal/peak"
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

// BenchmarkStep takes steps of the calculator with two threads. %gemm compares their FLOP with what the threads do in matrix
// products alone, of matrices that fit the second-level cache.
func BenchmarkStep(b *testing.B) {
	const threads = 2
	limit := peak.GEMM(threads)
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
				flop += FLOP(trainer.Train, trainer.Model.Config, trainer.LastBatch())
			}
			seconds := b.Elapsed().Seconds()
			b.ReportMetric(1e3*seconds/float64(b.N), "ms/step")
			b.ReportMetric(flop/seconds/1e9, "GFLOP/s")
			b.ReportMetric(100*flop/seconds/limit, "%gemm")
			b.ReportMetric(0, "ns/op")
		})
	}
}
