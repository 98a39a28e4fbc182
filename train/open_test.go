package train

import (
	"math"
	"slices"
	"testing"

	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/model"
)

// questionBatch is a batch of one question with its answer.
func questionBatch(t testing.TB) *model.Batch {
	t.Helper()
	d := dataset(t, calculatorWords(t), mixed(1), 12)
	inputs, answers := d.Sequence(0)
	var b model.Batch
	b.AddWhole(inputs, answers)
	return &b
}

func TestAModelIsOpenedOnADeviceByName(t *testing.T) {
	m, err := model.New(small(calculatorWords(t).VocabSize()), 1)
	if err != nil {
		t.Fatal(err)
	}
	var values [][]float32
	for _, name := range []string{device.CPU, device.Emulated} {
		e, err := Open(m, name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := e.Trace(questionBatch(t), 1, model.TapResidual(0))
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		values = append(values, list[0].Value)
	}
	if d := distance(values[1], values[0]); d > 1e-5 {
		t.Errorf("the residual stream on the emulated GPU is off by %.2g of that on the CPU", d)
	}
	if _, err := Open(m, "gpu"); fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("an unknown device: %v, want wrong usage", err)
	}
}

// On a GPU the weights of the moment are there alone.
func TestBetweenTwoStepsATraceSeesTheWeightsOfTheMoment(t *testing.T) {
	for _, name := range []string{device.CPU, device.Emulated} {
		o := quick()
		o.Device, o.Batch, o.WarmUp = name, 2, 0
		trainer := newTrainer(t, mixed(4), o)
		initial := slices.Clone(trainer.Model.Weights)
		steps(t, trainer, 1)
		list, err := trainer.Executor().Trace(questionBatch(t), 1, trainer.Model.Parameters[0].Name, "gradient of "+model.TapLogits)
		if err != nil {
			t.Fatal(err)
		}
		if err := trainer.engine.updater.fetch(); err != nil {
			t.Fatal(err)
		}
		p := &trainer.Model.Parameters[0]
		sameBits(t, name, list[0].Value, p.Value)
		if slices.Equal(p.Value, initial[p.Begin:p.Begin+p.Size()]) {
			t.Errorf("%s: the step left the weights as they were", name)
		}
		for i, row := 0, list[1]; i < row.Shape[0]; i++ { // softmax - onehot
			sum := 0.0
			for _, v := range row.Value[i*row.Shape[1]:][:row.Shape[1]] {
				sum += float64(v)
			}
			if math.Abs(sum) > 1e-5 {
				t.Errorf("%s: the gradient by the logits of row %d adds up to %g, want 0", name, i, sum)
			}
		}
	}
}
