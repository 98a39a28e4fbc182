package floor

import (
	"math"
	"testing"

	"trainer/internal/floor/api"
)

func TestALongRunBecomesMeansOfNeighbours(t *testing.T) {
	h := newHistory([]string{"embeddings", "output"})
	numbers := make([]float64, h.width())
	const steps = 5*maxPoints + 3
	for step := 1; step <= steps; step++ {
		numbers[loss], numbers[ownNumbers] = float64(step), 1/float64(step)
		h.add(step, numbers)
	}
	m := h.metrics("run", 0)
	if len(m.Steps) > maxPoints || len(m.Steps) < maxPoints/2 || m.Every != 8 || m.Steps[len(m.Steps)-1] != steps {
		t.Fatalf("%d steps are %d points of %d, to step %d", steps, len(m.Steps), m.Every, m.Steps[len(m.Steps)-1])
	}
	before := 0
	for i, step := range m.Steps {
		mean := float64(before+1+step) / 2 // of the steps between
		if math.Abs(float64(m.Loss[i])-mean) > 1e-9 {
			t.Fatalf("point %d, of the steps behind %d to %d, is %g, want %g", i, before, step, m.Loss[i], mean)
		}
		before = step
	}
}

func TestOnlyWhatIsNewIsSent(t *testing.T) {
	h := newHistory(nil)
	for step := 1; step <= 10; step++ {
		h.add(step, make([]float64, h.width()))
		h.evaluated(api.Evaluation{Step: step})
	}
	if m := h.metrics("run", 7); len(m.Steps) != 3 || m.Steps[0] != 8 || len(m.Evaluations) != 3 || len(m.Loss) != 3 || len(m.Blame.Shares) != 3 {
		t.Errorf("behind step 7 are %v", m)
	}
}

func TestManyEvaluationsBecomeEveryOtherOne(t *testing.T) {
	h := newHistory(nil)
	for step := range 10 * maxPoints {
		h.evaluated(api.Evaluation{Step: step})
	}
	n := len(h.evaluations)
	if n > maxPoints || n < maxPoints/2 || h.evaluations[n-1].Step != 10*maxPoints-1 {
		t.Errorf("%d are kept, the last of step %d", n, h.evaluations[n-1].Step)
	}
}

func TestWhatTheUntrainedModelSaidIsTold(t *testing.T) {
	h := newHistory([]string{"output"})
	h.sampled(api.Sample{Step: 0, Prompt: "one plus one equals", Text: "seven"})
	h.sampled(api.Sample{Step: 5, Prompt: "one plus one equals", Text: "two"})
	if got := h.metrics("sums", 0).Samples; len(got) != 2 || got[0].Text != "seven" {
		t.Errorf("of the whole run: %v", got)
	}
	if got := h.metrics("sums", 4).Samples; len(got) != 1 || got[0].Text != "two" {
		t.Errorf("behind step 4: %v", got)
	}
}
