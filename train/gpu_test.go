package train

import (
	"cmp"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"trainer/internal/device"
	"trainer/internal/fault"
)

// testDevice is the GPU of these tests: the emulated one, or that of TRAINER_TEST_DEVICE, such as cuda.
var testDevice = cmp.Or(os.Getenv("TRAINER_TEST_DEVICE"), device.Emulated)

// onGPU are options of a short run on a GPU.
func onGPU(t *testing.T) Options {
	t.Helper()
	if testing.Short() && testDevice == device.Emulated {
		t.Skip("the emulated GPU takes seconds for some steps; left out with -short")
	}
	o := quick()
	o.Device, o.Steps = testDevice, 6
	return o
}

// logged is an Observer that keeps the metrics of each step.
type logged struct {
	recorder
	metrics []Metrics
}

func (l *logged) Stepped(m *Metrics) {
	l.recorder.Stepped(m)
	l.metrics = append(l.metrics, timeless(*m))
}

// trained runs a short training and returns what was told of it, and the trainer behind it.
func trained(t *testing.T, o Options, change func(p *Plan)) (*logged, *Trainer) {
	t.Helper()
	trainer, plan := newRun(t, mixed(40), mixed(3), o)
	change(&plan)
	var l logged
	if err := trainer.Run(t.Context(), plan, &l); err != nil {
		t.Fatal(err)
	}
	return &l, trainer
}

// The GPU adds in another order, which a few steps do not amplify beyond these.
const (
	lossError   = 2e-6
	weightError = 2e-5
)

func TestTheGPULearnsAsTheCPUDoes(t *testing.T) {
	variants := map[string]func(o *Options){
		"adamw":         func(*Options) {},
		"sgd":           func(o *Options) { o.Optimizer, o.LearningRate = "sgd", 0.1 },
		"dropout":       func(o *Options) { o.Dropout, o.Accumulate = 0.2, 2 },
		"micro-batches": func(o *Options) { o.Batch, o.Accumulate, o.Loss = 4, 3, "all" },
	}
	for name, change := range variants {
		t.Run(name, func(t *testing.T) {
			o := onGPU(t)
			change(&o)
			plan := func(p *Plan) { p.EvaluateEvery, p.SaveEvery = 4, 5 }
			got, gpu := trained(t, o, plan)
			o.Device = device.CPU
			want, cpu := trained(t, o, plan)
			if !slices.Equal(got.events, want.events) {
				t.Errorf("the GPU's run was\n%s\nwant\n%s", strings.Join(got.events, "\n"), strings.Join(want.events, "\n"))
			}
			for i, w := range want.metrics {
				g := got.metrics[i]
				if !near(g.Loss, w.Loss, lossError) || !near(g.GradientNorm, w.GradientNorm, 10*lossError) ||
					g.Accuracy != w.Accuracy || g.Tokens != w.Tokens || g.LearningRate != w.LearningRate || g.Epoch != w.Epoch {
					t.Errorf("step %d is %+v, want %+v", i+1, g, w)
				}
				for s := range w.Blame {
					if math.Abs(g.Blame[s]-w.Blame[s]) > 1e-4 {
						t.Errorf("step %d: stage %d has %g of the blame, want %g", i+1, s, g.Blame[s], w.Blame[s])
					}
				}
			}
			if d := distance(gpu.Model.Weights, cpu.Model.Weights); d > weightError {
				t.Errorf("the weights differ by %g", d)
			}
			for i, v := range cpu.optimizer.State() {
				if d := distance(gpu.optimizer.State()[i].Value, v.Value); d > weightError {
					t.Errorf("%s differs by %g", v.Name, d)
				}
			}
		})
	}
}

func TestTheSameSeedGivesTheSameBitsOnTheGPU(t *testing.T) {
	for _, precision := range device.Precisions {
		o := onGPU(t)
		o.Precision = precision
		_, a := trained(t, o, func(*Plan) {})
		_, b := trained(t, o, func(p *Plan) { p.SaveEvery = 1 }) // where no step is begun ahead
		sameBits(t, precision, b.Model.Weights, a.Model.Weights)
	}
}

func TestBfloat16LearnsNearlyAsFloat32(t *testing.T) {
	o := onGPU(t)
	want, _ := trained(t, o, func(*Plan) {})
	o.Precision = "bf16"
	got, _ := trained(t, o, func(*Plan) {})
	for i, w := range want.metrics {
		// Each of a dozen roundings on the way to the loss is off by up to 2⁻⁹ of a value; those of the many values average out.
		if g := got.metrics[i]; !near(g.Loss, w.Loss, 5e-3) || g.Loss == w.Loss {
			t.Errorf("step %d has the loss %g, want about %g", i+1, g.Loss, w.Loss)
		}
	}
}

func TestARunGoesOnOnAnotherDevice(t *testing.T) {
	o := onGPU(t)
	for _, devices := range [][2]string{{testDevice, device.CPU}, {device.CPU, testDevice}, {testDevice, testDevice}} {
		o.Device = devices[0]
		trainer, plan := newRun(t, mixed(20), nil, o)
		plan.StopAfter = 3
		if err := trainer.Run(t.Context(), plan, &recorder{}); !errors.Is(err, fault.ErrInterrupted) || trainer.step != 3 {
			t.Fatalf("%v: stopped at step %d with %v, want step 3", devices, trainer.step, err)
		}
		o.Device = devices[1]
		next, err := resumed(t, plan.Folder, mixed(20), o)
		if err != nil {
			t.Fatal(err)
		}
		got := steps(t, next, 3)
		o.Device = device.CPU
		want := steps(t, newTrainer(t, mixed(20), o), 6)[3:]
		for i := range got {
			if !near(got[i].Loss, want[i].Loss, lossError) {
				t.Errorf("%v: step %d has the loss %g, want %g", devices, got[i].Step, got[i].Loss, want[i].Loss)
			}
		}
	}
}

func TestTheGPUItselfKeepsTheWeightsFromANumberThatIsNotFinite(t *testing.T) {
	o := onGPU(t)
	o.Optimizer, o.Clip, o.WarmUp, o.LearningRate, o.Steps = "sgd", 0, 0, 1e30, 20
	trainer, plan := newRun(t, mixed(40), nil, o)
	var broken *NonFiniteError
	if err := trainer.Run(t.Context(), plan, &recorder{}); !errors.As(err, &broken) {
		t.Fatalf("the run ended with %v, want a *NonFiniteError", err)
	}
	o.Device = device.CPU
	want, _ := breakdown(t, newTrainer(t, mixed(40), o))
	if broken.Step != want.Step || broken.Stage != want.Stage || broken.Backward != want.Backward {
		t.Errorf("the run broke down by %q, on the CPU by %q", broken, want)
	}
	at := trainer.Model.Weights
	for i, w := range at {
		if math.IsNaN(float64(w)) {
			t.Fatalf("weight %d became NaN", i)
		}
	}
}
