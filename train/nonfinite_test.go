package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"trainer/internal/cpu/kernel"
)

// breakdown takes steps until one fails, and returns its error and the weights before it.
func breakdown(t *testing.T, trainer *Trainer) (*NonFiniteError, []float32) {
	t.Helper()
	for range 20 {
		old := slices.Clone(trainer.Model.Weights)
		taken := trainer.StepsTaken()
		_, err := trainer.Step()
		if err == nil {
			continue
		}
		var broken *NonFiniteError
		if !errors.As(err, &broken) {
			t.Fatalf("error is %v, want a *NonFiniteError", err)
		}
		if broken.Step != taken+1 || trainer.StepsTaken() != taken {
			t.Errorf("step %d failed behind step %d, and then %d were taken", broken.Step, taken, trainer.StepsTaken())
		}
		sameBits(t, "weights after the failed step", trainer.Model.Weights, old)
		return broken, old
	}
	t.Fatal("no step failed")
	return nil, nil
}

func TestANumberThatIsNotFiniteStopsTrainingAndNamesItsStage(t *testing.T) {
	for parameter, stage := range map[string]string{
		"transformer.wte.weight":             "embeddings",
		"transformer.wpe.weight":             "positions",
		"transformer.h.0.attn.c_attn.weight": "attention 1",
		"transformer.h.0.mlp.c_fc.weight":    "mlp 1",
		"transformer.ln_f.bias":              "output",
	} {
		for i, value := range []float64{math.NaN(), math.Inf(1)} {
			o := quick()
			o.Threads, o.Accumulate = 1+i, 2
			trainer := newTrainer(t, mixed(50), o)
			steps(t, trainer, 2)
			for j := range trainer.Model.Parameter(parameter).Value {
				trainer.Model.Parameter(parameter).Value[j] = float32(value)
			}
			broken, _ := breakdown(t, trainer)
			if broken.Step != 3 || broken.Stage != stage || broken.Backward {
				t.Errorf("%g in %s is %q, want the forward pass of %s in step 3", value, parameter, broken, stage)
			}
			if want := fmt.Sprintf("step 3: loss %.4g,", broken.Loss); !strings.HasPrefix(broken.Error(), want) {
				t.Errorf("error is %q, want %s", broken, want)
			}
		}
	}
}

func TestALearningRateThatExplodesStopsTraining(t *testing.T) {
	for _, threads := range []int{1, 2} {
		o := quick()
		o.Optimizer, o.Clip, o.WarmUp, o.LearningRate, o.Threads = "sgd", 0, 0, 1e30, threads
		broken, _ := breakdown(t, newTrainer(t, mixed(50), o))
		if broken.Step != 2 || !strings.Contains(broken.Error(), "try a lower -lr") || broken.Stage == "unknown" {
			t.Errorf("error is %q, want one of step 2 that names a stage", broken)
		}
	}
}

func TestAGradientTooLargeForItsNormStopsTraining(t *testing.T) {
	// The gradient of the output layer, whose inputs are that large, is finite; the square of it is not.
	if square := kernel.Best().SumSquares([]float32{1e22}); !math.IsInf(square, 0) {
		t.Skip("this processor's kernels square in float64")
	}
	trainer := newTrainer(t, mixed(50), quick())
	for i := range trainer.Model.Parameter("transformer.ln_f.bias").Value {
		trainer.Model.Parameter("transformer.ln_f.bias").Value[i] = 1e22
	}
	broken, _ := breakdown(t, trainer)
	if broken.Stage != "output" || !broken.Backward {
		t.Errorf("error is %q, want one of the output in the backward pass", broken)
	}
}

func TestANumberThatOverflowsInTheBackwardPassIsFoundThere(t *testing.T) {
	trainer := newTrainer(t, mixed(50), quick())
	m := trainer.Model
	// The final norm divides tiny numbers by a tiny deviation: what flows back through it is multiplied by up to 1/√ε = 316.
	for i := range m.Parameters {
		if p := &m.Parameters[i]; p.IsMatrix() && p.Name != "lm_head.weight" {
			for j := range p.Value {
				p.Value[j] *= 1e-3
			}
		}
	}
	for i := range m.Parameter("lm_head.weight").Value {
		m.Parameter("lm_head.weight").Value[i] *= 1e37
	}
	for i := range m.Parameter("transformer.ln_f.weight").Value {
		m.Parameter("transformer.ln_f.weight").Value[i] = 100
	}
	broken, _ := breakdown(t, trainer)
	if math.IsInf(broken.Loss, 0) || math.IsNaN(broken.Loss) || broken.Stage != "output" || !broken.Backward {
		t.Errorf("error is %q, want one in the backward pass of the output", broken)
	}
}
