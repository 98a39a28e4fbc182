package model_test

import (
	"testing"

	"trainer/internal/arithmetic"
	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/peak"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// BenchmarkExecutor computes the loss and the gradients of 64 examples of the calculator on one thread. %gemm compares their
// train.train.FLOP with what the thread does in matrix products alone.
func BenchmarkExecutor(b *testing.B) {
	words, err := tokenizer.NewWord(arithmetic.Words())
	if err != nil {
		b.Fatal(err)
	}
	m, err := model.New(model.Calculator(words.VocabSize()), 1)
	if err != nil {
		b.Fatal(err)
	}
	data, err := train.NewDataset(words, examples.Calculator(), m.Config.Context)
	if err != nil {
		b.Fatal(err)
	}
	batch, chosen := &model.Batch{}, []int(nil)
	for i := range 64 {
		chosen = append(chosen, (2*i+1)*data.Len()/128) // evenly over all operations
		batch.Add(data.Sequence(chosen[i]))
	}
	backend := cpu.New(1, kernel.Best())
	defer backend.Close()
	executor := model.NewExecutor(m, backend)
	step := func() {
		if _, err := executor.Run(batch, model.Train, 1/float32(batch.Predictions())); err != nil {
			b.Fatal(err)
		}
	}
	step() // compiles the program
	limit := peak.GEMM(1, kernel.Best())
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	speed := train.FLOP(data, m.Config, chosen) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(speed/1e9, "GFLOP/s")
	b.ReportMetric(100*speed/limit, "%gemm")
}
