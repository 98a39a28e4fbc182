package cuda_test

import (
	"testing"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/model"
)

// What is fused on a GPU is computed there for a trace as it is on the CPU, forward and backward.
func TestTracedValuesAreThoseOfTheCPU(t *testing.T) {
	host := cpu.New(1, kernel.Best())
	defer host.Close()
	gpu := open(t, emulated.Options{IgnoreRaces: true}, cuda.Options{})
	defer gpu.Close()
	for i, c := range configs() {
		if c.Context > 12 {
			continue // many tiles, which the emulator takes long for and tests of the kernels have
		}
		m := newModel(t, c)
		var names []string
		for _, tap := range m.Taps() {
			names = append(names, tap)
			if tap != "hits" && (tap != model.TapPositions || c.Positions == model.Learned) {
				names = append(names, model.GradientOf(tap))
			}
		}
		names = append(names, m.Parameters[0].Name, model.GradientOf(m.Parameters[0].Name))
		var b model.Batch
		fill(&b, c, 5, 7)
		want, err := model.NewExecutor(m, host).Trace(&b, 0.25, names...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := model.NewExecutor(m, gpu).Trace(&b, 0.25, names...)
		if err != nil {
			t.Fatal(err)
		}
		for j := range want {
			if d := distance(got[j].Value, want[j].Value); d > 5e-6 {
				t.Errorf("%s is off by %.2g of its size", names[j], d)
			}
		}
		if t.Failed() {
			t.Fatalf("configuration %d: %+v", i, c)
		}
	}
}
