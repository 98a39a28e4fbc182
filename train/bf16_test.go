package train

import (
	"testing"

	"trainer/internal/cpu/kernel"
)

// Without AVX512-BF16 this runs its twin in plain Go, which is fast enough for so small a model.
func TestBfloat16OnTheCPULearnsNearlyAsFloat32(t *testing.T) {
	o := quick()
	learn := func(kernels *kernel.Set) (losses []float64, weights []float32) {
		trainer, _ := newRun(t, mixed(40), nil, o)
		trainer.engine.close()
		trainer.engine = newHostEngine(trainer.Model, trainer.partition, trainer.optimizer, Options{Clip: o.Clip, Threads: 2}.withDefaults(), kernels)
		for _, m := range steps(t, trainer, o.Steps) {
			losses = append(losses, m.Loss)
		}
		return losses, trainer.Model.Weights
	}
	want, _ := learn(kernel.Best())
	got, weights := learn(kernel.Best().BF16())
	for i, w := range want {
		// Each of a dozen roundings on the way to the loss is off by up to 2⁻⁹ of a value; those of the many values average out.
		if !near(got[i], w, 5e-3) || got[i] == w {
			t.Errorf("step %d has the loss %g, want about %g", i+1, got[i], w)
		}
	}
	_, again := learn(kernel.Best().BF16())
	sameBits(t, "the same seed and number of threads", again, weights)
}
