package kernel

import (
	"testing"

	"trainer/internal/ref"
)

// BenchmarkElementwise times the kernels at the sizes of the calculator: 400 tokens of width 64, a hidden layer of 256, 150 answers
// from a vocabulary of 35, and 105,344 weights. GB/s counts every array once for each time it is read or written.
func BenchmarkElementwise(b *testing.B) {
	const rows, c, hidden, answers, vocab, weights = 400, 64, 256, 150, 35, 105344
	random := func(n int) []float32 { return newArrays(nil).normal(n, 1) }
	x, y, dst := random(rows*hidden), random(rows*hidden), random(rows*hidden)
	p, m, v, g := random(weights), random(weights), make([]float32, weights), random(weights)
	gamma, beta := random(c), random(c)
	nll, lse, hit, targets := random(answers), random(answers), random(answers), make([]int32, answers)
	numbers := make([]int32, rows)
	update := &ref.AdamW{
		LearningRate: 1e-9, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Correction1: 0.1, Correction2: 0.001, GradScale: 1,
	}
	for _, s := range Sets() {
		for _, k := range []struct {
			name        string
			n, accesses int
			run         func()
		}{
			{"GELU", rows * hidden, 2, func() { s.GELU(dst, x) }},
			{"GELUGrad", rows * hidden, 3, func() { s.GELUGrad(dst, x, y) }},
			{"Add", rows * c, 3, func() { s.Add(dst[:rows*c], x[:rows*c], y[:rows*c]) }},
			{"SumRows", rows * hidden, 1, func() { s.SumRows(dst[:hidden], x, rows, hidden) }},
			{"LayerNorm", rows * c, 2, func() { s.LayerNorm(dst[:rows*c], x[:rows*c], gamma, beta, rows, c, epsilon) }},
			{"LayerNormGrad", rows * c, 3, func() {
				s.LayerNormGrad(dst[:rows*c], y[:c], beta, x[:rows*c], gamma, y[:rows*c], rows, c, epsilon)
			}},
			{"RMSNorm", rows * c, 2, func() { s.RMSNorm(dst[:rows*c], x[:rows*c], gamma, rows, c, epsilon) }},
			{"RMSNormGrad", rows * c, 3, func() { s.RMSNormGrad(dst[:rows*c], beta, x[:rows*c], gamma, y[:rows*c], rows, c, epsilon) }},
			{"SwiGLU", rows * hidden / 2, 3, func() { s.SwiGLU(dst[:rows*hidden/2], x, rows, hidden/2) }},
			{"SwiGLUGrad", rows * hidden / 2, 5, func() { s.SwiGLUGrad(dst, x, y[:rows*hidden/2], rows, hidden/2) }},
			{"Dropout", rows * c, 2, func() { s.Dropout(dst[:rows*c], x[:rows*c], targets[:2], numbers, c, 1, 0.1) }},
			{"CrossEntropy", answers * vocab, 1, func() { s.CrossEntropy(nll, lse, hit, x[:answers*vocab], targets, vocab) }},
			{"CrossEntropyGrad", answers * vocab, 2, func() {
				s.CrossEntropyGrad(dst[:answers*vocab], x[:answers*vocab], lse, nll, targets, vocab)
			}},
			{"SumSquares", weights, 1, func() { s.SumSquares(g) }},
			{"AdamW", weights, 7, func() { s.AdamW(update, p, m, v, g) }},
		} {
			b.Run(k.name+"/"+s.Name, func(b *testing.B) {
				b.SetBytes(int64(4 * k.n * k.accesses))
				for b.Loop() {
					k.run()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(k.n), "ns/element")
			})
		}
	}
}
