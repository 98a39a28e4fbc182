package ptx

import "testing"

// BenchmarkLaneInstructions reports how many instructions of lanes are executed a second.
func BenchmarkLaneInstructions(b *testing.B) {
	for _, l := range []workload{sgemm(128, 128, 64), mmaGemm(128, 128, 128), layerNorm(32, 1024), softmax(64, 256)} {
		b.Run(l.kernel, func(b *testing.B) {
			text, total := kernelText(b, l.kernel), uint64(0)
			l.want = nil
			for b.Loop() {
				c, err := l.run(text, Options{})
				if err != nil {
					b.Fatal(err)
				}
				_, n := c.Instructions()
				total += n
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds()/1e6, "Mlane-instr/s")
		})
	}
}
