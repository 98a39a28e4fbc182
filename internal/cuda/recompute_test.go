package cuda_test

import (
	"slices"
	"testing"

	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/model"
)

// Instructions that are run twice are put together, and their values narrowed, like those that are run once.
func TestRecomputationKeepsEveryBitOnTheGPU(t *testing.T) {
	for _, precision := range []cuda.Precision{cuda.F32, cuda.BF16} {
		b := open(t, emulated.Options{IgnoreRaces: true}, cuda.Options{Precision: precision})
		defer b.Close()
		for i, c := range configs()[:3] {
			c.Dropout = 0.1
			m := newModel(t, c)
			var batch model.Batch
			fill(&batch, c, 5, 7)
			again := model.NewExecutor(m, b)
			again.Recompute = true
			want, got := takeStep(t, model.NewExecutor(m, b), &batch), takeStep(t, again, &batch)
			if got.loss != want.loss || !slices.Equal(got.nll, want.nll) || !slices.Equal(got.gradients, want.gradients) {
				t.Errorf("%v, model %d: a step with recomputation has the loss %v, one without %v; gradients differ by %.2g of their size",
					precision, i, got.loss, want.loss, distance(got.gradients, want.gradients))
			}
		}
	}
}
