package ptx

import "testing"

// BenchmarkLaneInstructions reports how many instructions of lanes are executed a second, on all workers.
func BenchmarkLaneInstructions(b *testing.B) {
	for _, l := range []workload{sgemm(128, 128, 64), mmaGemm(128, 128, 128), layerNorm(32, 1024), softmax(64, 256)} {
		b.Run(l.kernel, func(b *testing.B) {
			d := NewDevice(Options{})
			k, launch, _, err := l.prepare(d, kernelText(b, l.kernel))
			if err != nil {
				b.Fatal(err)
			}
			total := uint64(0)
			for b.Loop() {
				c, err := d.Launch(k, launch)
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
