package train

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"trainer/internal/cpu/kernel"
	"trainer/internal/fault"
	"trainer/internal/memory"
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
	limit := peak.GEMM(threads, kernel.Best())
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

// BenchmarkCheckpoint measures how long training stands still for a checkpoint of a model of 10 million weights, and how long it takes to be
// on the disk, where it is waited for and where training goes on.
func BenchmarkCheckpoint(b *testing.B) {
	c := model.Calculator(35)
	c.Width, c.Layers, c.Heads, c.MLPWidth = 384, 6, 6, 4*384
	for name, free := range map[string]int{"wait": 0, "meanwhile": 1 << 40} {
		b.Run(name, func(b *testing.B) {
			availableMemory = func() (int, bool) { return free, true }
			b.Cleanup(func() { availableMemory = memory.Available })
			o := Calculator()
			o.Batch, o.Threads = 64, 2
			o.Steps = 1 << 30
			trainer := newTrainerOf(b, c, mixed(1000), nil, o)
			folder := openFolder(b, b.TempDir())
			if _, err := folder.OpenMetrics(0); err != nil {
				b.Fatal(err)
			}
			var w stopwatch
			plan := Plan{Folder: folder, SaveEvery: 5, StopAfter: 5*b.N + 6} // the first checkpoint and the last are waited for
			if err := trainer.Run(b.Context(), plan, &w); !errors.Is(err, fault.ErrInterrupted) {
				b.Fatal(err)
			}
			var stall, onDisk []float64
			for _, c := range w.saved[1 : len(w.saved)-1] {
				stall, onDisk = append(stall, c.Stall), append(onDisk, c.Seconds)
			}
			b.ReportMetric(1e3*median(w.steps), "ms/step")
			b.ReportMetric(1e3*median(stall), "ms-stalled")
			b.ReportMetric(1e3*median(onDisk), "ms-to-disk")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// stopwatch is an Observer that keeps times, in seconds.
type stopwatch struct {
	recorder
	last  float64
	steps []float64
	saved []Checkpoint
}

func (w *stopwatch) Stepped(m *Metrics) {
	w.steps, w.last = append(w.steps, m.Seconds-w.last), m.Seconds
}

func (w *stopwatch) Saved(c Checkpoint) { w.saved = append(w.saved, c) }

func median(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }
