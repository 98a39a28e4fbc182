package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/cpu/kernel"
	"trainer/model"
)

func TestSGDStepIsTheLearningRateTimesTheGradient(t *testing.T) {
	o := quick()
	o.Optimizer, o.Clip, o.LearningRate, o.FinalLearningRate = "sgd", 0, 0.25, 0.25
	trainer := newTrainer(t, mixed(50), o)
	for range 4 {
		old := append([]float32(nil), trainer.Model.Weights...)
		m := steps(t, trainer, 1)[0]
		for i, g := range gradientOf(t, trainer) {
			// The product is exact in float64. A fused multiply-add rounds once; without it the product is rounded too.
			product := float64(float32(m.LearningRate)) * float64(g)
			got, want := float64(trainer.Model.Weights[i]), float64(old[i])-product
			if rounding := 0x1p-24 * (math.Abs(want) + math.Abs(product)); math.Abs(got-want) > 1.01*rounding {
				t.Fatalf("step %d: weight %d went from %g to %g, want %g: gradient %g, learning rate %g",
					m.Step, i, old[i], got, want, g, m.LearningRate)
			}
		}
	}
}

// adamW is algorithm 2 of Loshchilov and Hutter 2019 in float64, with the learning rate on the decay as in PyTorch.
type adamW struct {
	beta1, beta2, epsilon, decay float64
	first, second                []float64
	steps                        float64
}

// step returns the new value of a weight w [n] with gradient g [n]; decays says which weights decay.
func (a *adamW) step(w, g []float32, rate, scale float64, decays func(i int) bool) []float64 {
	if a.first == nil {
		a.first, a.second = make([]float64, len(w)), make([]float64, len(w))
	}
	a.steps++
	next := make([]float64, len(w))
	for i := range w {
		gradient := scale * float64(g[i])
		a.first[i] = a.beta1*a.first[i] + (1-a.beta1)*gradient
		a.second[i] = a.beta2*a.second[i] + (1-a.beta2)*gradient*gradient
		first := a.first[i] / (1 - math.Pow(a.beta1, a.steps))
		second := a.second[i] / (1 - math.Pow(a.beta2, a.steps))
		next[i] = float64(w[i]) - rate*first/(math.Sqrt(second)+a.epsilon)
		if decays(i) {
			next[i] -= rate * a.decay * float64(w[i])
		}
	}
	return next
}

// closeTo fails where a weight is further from want than rounding explains: a step of size rate is computed in float32.
func closeTo(t *testing.T, got []float32, want []float64, rate float64) {
	t.Helper()
	for i := range got {
		if math.Abs(float64(got[i])-want[i]) > 1e-7*math.Abs(want[i])+1e-5*rate {
			t.Fatalf("weight %d is %g, want %g, with learning rate %g", i, got[i], want[i], rate)
		}
	}
}

func TestAdamWStepMatchesItsFormulaInFloat64(t *testing.T) {
	for _, clip := range []float64{0, 1e-2} {
		o := quick()
		o.Clip, o.WeightDecay, o.Beta1, o.Beta2, o.Threads = clip, 0.3, 0.8, 0.99, 2
		trainer := newTrainer(t, mixed(50), o)
		matrix := make([]bool, len(trainer.Model.Weights))
		for _, p := range trainer.Model.Parameters {
			for i := range p.Size() {
				matrix[p.Begin+i] = len(p.Shape) == 2
			}
		}
		reference := adamW{beta1: o.Beta1, beta2: o.Beta2, epsilon: 1e-8, decay: o.WeightDecay}
		for range 6 {
			old := append([]float32(nil), trainer.Model.Weights...)
			m := steps(t, trainer, 1)[0]
			scale := 1.0
			if clip > 0 {
				if m.GradientNorm < 2*clip {
					t.Fatalf("gradient norm %g: nothing to clip at %g", m.GradientNorm, clip)
				}
				scale = clip / m.GradientNorm
			}
			gradients := gradientOf(t, trainer)
			want := reference.step(old, gradients, m.LearningRate, scale, func(i int) bool { return matrix[i] })
			closeTo(t, trainer.Model.Weights, want, m.LearningRate)
		}
	}
}

func TestClippingOnlyShortensGradients(t *testing.T) {
	for _, test := range []struct{ norm, limit, want float64 }{{10, 1, 0.1}, {0.5, 1, 1}, {0, 1, 1}, {10, 0, 1}, {1e30, 0.5, 5e-31}} {
		if got := clipScale(test.norm, test.limit); !near(got, test.want, 1e-6) {
			t.Errorf("a gradient of norm %g under the limit %g is scaled by %g, want %g", test.norm, test.limit, got, test.want)
		}
	}
}

func TestGradientNormIsThatOfTheGradient(t *testing.T) {
	trainer := newTrainer(t, mixed(50), quick())
	m := steps(t, trainer, 1)[0]
	var squares float64
	for _, g := range gradientOf(t, trainer) {
		squares += float64(g) * float64(g)
	}
	if want := math.Sqrt(squares); !near(m.GradientNorm, want, 1e-5) {
		t.Errorf("gradient norm is %g, want %g", m.GradientNorm, want)
	}
}

// A step along the gradient changes the loss by the square of the gradient's norm.
func TestTheLossFallsAlongTheGradientAtItsRate(t *testing.T) {
	for _, loss := range LossNames {
		o := quick()
		o.Threads, o.Accumulate, o.Loss = 3, 2, loss
		trainer := newTrainer(t, mixed(50), o)
		steps(t, trainer, 3) // the gradient of new weights is hardly more than that of the output layer's
		weights := trainer.Model.Weights
		batch := drawn(trainer.sampler, 16)
		here := measured(t, trainer, batch, 8, loss == "all")
		gradient, norm := slices.Clone(gradientOf(t, trainer)), here.norm
		old := append([]float32(nil), weights...)
		const length = 1e-2
		at := func(distance float64) float64 {
			for i, g := range gradient {
				weights[i] = old[i] + float32(distance*float64(g)/norm)
			}
			return measured(t, trainer, batch, 8, loss == "all").loss
		}
		if slope := (at(length) - at(-length)) / (2 * length); !near(slope, norm, 1e-2) {
			t.Errorf("loss %q changes by %g along its gradient, want the norm %g", loss, slope, norm)
		}
	}
}

// solved takes steps on a real graph with Gorgonia's own machine, and gives each step's gradients to check.
func solved(t *testing.T, m *model.Model, solver gorgonia.Solver, n int, check func(old []float32, gradients [][]float32)) {
	t.Helper()
	g, err := m.Graph(model.Shape{Rows: 5, Sequences: 1})
	if err != nil {
		t.Fatal(err)
	}
	gradients, err := g.Gradients()
	if err != nil {
		t.Fatal(err)
	}
	for node, value := range map[*gorgonia.Node]any{
		g.Tokens: []int32{2, 30, 3, 33, 5}, g.Positions: []int32{0, 1, 2, 3, 4}, g.Offsets: []int32{0, 5},
		g.Targets: []int32{-1, -1, -1, 5, 1}, g.Weights: []float32{0, 0, 0, 0.5, 0.5},
	} {
		if err := gorgonia.Let(node, tensor.New(tensor.WithBacking(value))); err != nil {
			t.Fatal(err)
		}
	}
	machine := gorgonia.NewTapeMachine(g.Loss.Graph(), gorgonia.BindDualValues(g.Parameters...))
	defer machine.Close()
	for range n {
		if err := machine.RunAll(); err != nil {
			t.Fatal(err)
		}
		old := append([]float32(nil), m.Weights...)
		var list [][]float32
		for i := range gradients {
			value, err := g.Parameters[i].Grad()
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, append([]float32(nil), value.Data().([]float32)...))
		}
		if err := solver.Step(gorgonia.NodesToValueGrads(g.Parameters)); err != nil {
			t.Fatal(err)
		}
		check(old, list)
		machine.Reset()
	}
}

func TestOptimizersSolveAGorgoniaGraph(t *testing.T) {
	m, err := model.New(small(35), 3)
	if err != nil {
		t.Fatal(err)
	}
	const rate, clip = 1e-2, 0.5
	optimizer := NewAdamW(len(m.Weights), rate, 0.2)
	optimizer.Clip = clip
	references := make([]adamW, len(m.Parameters))
	for i := range references {
		references[i] = adamW{beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.2}
	}
	scaleOf := func(gradients [][]float32) float64 {
		var squares float64
		for _, list := range gradients {
			for _, g := range list {
				squares += float64(g) * float64(g)
			}
		}
		return min(1, clip/math.Sqrt(squares))
	}
	solved(t, m, optimizer, 3, func(old []float32, gradients [][]float32) {
		for i, p := range m.Parameters {
			decays := func(int) bool { return len(p.Shape) == 2 }
			want := references[i].step(old[p.Begin:p.Begin+p.Size()], gradients[i], rate, scaleOf(gradients), decays)
			closeTo(t, p.Value, want, rate)
		}
	})
	sgd := NewSGD(rate)
	sgd.Clip = clip
	solved(t, m, sgd, 1, func(old []float32, gradients [][]float32) {
		for i, p := range m.Parameters {
			var want []float64
			for j, g := range gradients[i] {
				want = append(want, float64(old[p.Begin+j])-rate*scaleOf(gradients)*float64(g))
			}
			closeTo(t, p.Value, want, rate)
		}
	})
}

func TestASolverAndTheTrainerTakeTheSameStep(t *testing.T) {
	o := quick()
	o.Clip = 0.1
	trainer := newTrainer(t, mixed(50), o)
	old := append([]float32(nil), trainer.Model.Weights...)
	m := steps(t, trainer, 1)[0]
	stepped := append([]float32(nil), trainer.Model.Weights...)
	gradients := slices.Clone(gradientOf(t, trainer))

	copy(trainer.Model.Weights, old)
	solver := NewAdamW(len(old), m.LearningRate, o.WeightDecay)
	solver.Clip = o.Clip
	var list []gorgonia.ValueGrad
	for _, p := range trainer.Model.Parameters {
		list = append(list, valueGrad{
			tensor.New(tensor.WithShape(p.Shape...), tensor.WithBacking(p.Value)),
			tensor.New(tensor.WithShape(p.Shape...), tensor.WithBacking(gradients[p.Begin:p.Begin+p.Size()])),
		})
	}
	if err := solver.Step(list); err != nil {
		t.Fatal(err)
	}
	if d := distance(trainer.Model.Weights, stepped); d > 1e-6 {
		t.Errorf("the solver's weights differ by %g from the trainer's", d)
	}
}

type valueGrad struct{ value, grad gorgonia.Value }

func (v valueGrad) Value() gorgonia.Value         { return v.value }
func (v valueGrad) Grad() (gorgonia.Value, error) { return v.grad, nil }

func TestSolverRefusesAGradientOfAnotherShapeOrType(t *testing.T) {
	of := func(data any) gorgonia.Value { return tensor.New(tensor.WithBacking(data)) }
	for name, pair := range map[string]valueGrad{
		"shape":           {of(make([]float32, 3)), of(make([]float32, 2))},
		"float64":         {of(make([]float64, 3)), of(make([]float64, 3))},
		"float64 weights": {of(make([]float64, 3)), of(make([]float32, 3))},
	} {
		for _, solver := range []gorgonia.Solver{NewSGD(0.1), NewAdamW(100, 0.1, 0)} {
			err := solver.Step([]gorgonia.ValueGrad{valueGrad{of(make([]float32, 2)), of(make([]float32, 2))}, pair})
			if err == nil || !strings.Contains(err.Error(), "parameter 1 has the value") {
				t.Errorf("%s: error of %T is %v, want one that names parameter 1", name, solver, err)
			}
		}
	}
}

func TestBlockSumsDoNotDependOnThreads(t *testing.T) {
	m, err := model.New(small(35), 1)
	if err != nil {
		t.Fatal(err)
	}
	planted := make([]float32, len(m.Weights))
	for _, p := range m.Parameters {
		for i := range p.Size() {
			planted[p.Begin+i] = float32(math.Sin(float64(p.Begin + i)))
		}
	}
	var want float64
	var squares []float64
	for threads := 1; threads <= 5; threads++ {
		e := newHostEngine(m, newPartition(m, 0, 1, false), NewSGD(1), Options{Threads: threads}.withDefaults(), kernel.Best())
		u := e.updater.(*hostUpdater)
		u.gradients[0] = slices.Clone(planted)
		if err := u.update(&job{}); err != nil {
			t.Fatal(err)
		}
		stages := make([]float64, len(m.Stages))
		u.squares(stages)
		if norm := normalise(stages); threads == 1 {
			want, squares = norm, u.blockSums
		} else if norm != want {
			t.Errorf("%d threads find the norm %v, one finds %v", threads, norm, want)
		}
		for i := range squares {
			if u.blockSums[i] != squares[i] {
				t.Errorf("%d threads: block %d has the sum %v, want %v", threads, i, u.blockSums[i], squares[i])
			}
		}
		e.close()
	}
}

func TestBlocksCoverEveryWeightOnce(t *testing.T) {
	m, err := model.New(small(35), 1)
	if err != nil {
		t.Fatal(err)
	}
	for threads := 1; threads <= 7; threads++ {
		e := newHostEngine(m, newPartition(m, 0, 1, false), NewSGD(1), Options{Threads: threads}.withDefaults(), kernel.Go())
		covered := make([]int, len(m.Weights))
		for _, list := range e.updater.(*hostUpdater).blocks {
			for _, b := range list {
				for i := b.begin; i < b.end; i++ {
					covered[i]++
				}
			}
		}
		for _, p := range m.Parameters {
			for i := range p.Size() {
				if covered[p.Begin+i] != 1 {
					t.Fatalf("%d threads update element %d of %s %d times", threads, i, p.Name, covered[p.Begin+i])
				}
			}
		}
		e.close()
	}
}
