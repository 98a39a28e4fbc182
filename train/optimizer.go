package train

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"trainer/internal/cpu/kernel"
	"trainer/internal/ref"
	"trainer/internal/vm"
)

// Optimizer turns gradients into new weights. As a gorgonia.Solver it takes whole steps over the parameters of a graph; the Trainer
// takes the same step in pieces, on several threads: Begin once, then Update for every block of weights.
type Optimizer interface {
	gorgonia.Solver

	// Begin starts the next step. Gradients are multiplied by scale first, which is how they are clipped.
	Begin(learningRate, scale float64)
	// Update takes the step on weights whose state begins at an element of the optimizer's. Weights of matrices decay.
	// Blocks that do not overlap can be updated at the same time.
	Update(place int, weights, gradients []float32, matrix bool)

	// State returns what the optimizer remembers from step to step, to be saved and filled in again.
	State() []StateVector
	// SetSteps tells how many steps were taken before, after the state was filled in.
	SetSteps(n int)
}

// StateVector is one number of an optimizer's state for each of the weights that it moves, in order: all of them, with the gaps of their vector,
// or where several processes train together what this one owns.
type StateVector struct {
	Name  string
	Value []float32
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), which shrinks matrices only. As a Solver it uses
// LearningRate and Clip; the Trainer has its own schedule.
type AdamW struct {
	LearningRate float64
	Clip         float64 // largest global norm of the gradient; 0 is no limit
	Beta1, Beta2 float64 // decay of the first and second moment
	Epsilon      float64
	WeightDecay  float64
	Kernels      *kernel.Set // what computes the step

	steps  int
	vector ref.AdamW // the numbers of the current step for biases and norms
	matrix ref.AdamW // and for matrices, which decay
	first  []float32 // m, the moving mean of gradients
	second []float32 // v, the moving mean of their squares
}

// NewAdamW returns an optimizer for a vector of n weights, with betas 0.9 and 0.95, epsilon 1e-8 and this processor's fastest kernels.
func NewAdamW(n int, learningRate, weightDecay float64) *AdamW {
	return &AdamW{LearningRate: learningRate, Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: weightDecay,
		Kernels: kernel.Best(), first: vm.AlignedFloat32s(n), second: vm.AlignedFloat32s(n)}
}

// Begin implements Optimizer.
func (a *AdamW) Begin(learningRate, scale float64) {
	a.steps++
	a.vector = ref.AdamW{
		LearningRate: float32(learningRate),
		Beta1:        float32(a.Beta1), Beta2: float32(a.Beta2),
		Epsilon:     float32(a.Epsilon),
		Correction1: float32(1 - math.Pow(a.Beta1, float64(a.steps))),
		Correction2: float32(1 - math.Pow(a.Beta2, float64(a.steps))),
		GradScale:   float32(scale),
	}
	a.matrix = a.vector
	a.matrix.WeightDecay = float32(a.WeightDecay)
}

// Update implements Optimizer.
func (a *AdamW) Update(place int, weights, gradients []float32, matrix bool) {
	step := &a.vector
	if matrix {
		step = &a.matrix
	}
	end := place + len(weights)
	a.Kernels.AdamW(step, weights, a.first[place:end], a.second[place:end], gradients)
}

// moments returns, behind a step, the mean of the gradient of a weight and its size, as the step divided them: both corrected for their
// start at 0, and the size, the root of the mean square, with epsilon added.
func (a *AdamW) moments(place int) (mean, size float64) {
	size = math.Sqrt(float64(a.second[place])/float64(a.vector.Correction2)) + a.Epsilon
	return float64(a.first[place]) / float64(a.vector.Correction1), size
}

// State returns the moments under the names that PyTorch gives them.
func (a *AdamW) State() []StateVector {
	return []StateVector{{"exp_avg", a.first}, {"exp_avg_sq", a.second}}
}

// SetSteps implements Optimizer.
func (a *AdamW) SetSteps(n int) { a.steps = n }

// Step implements gorgonia.Solver.
func (a *AdamW) Step(model []gorgonia.ValueGrad) error {
	return solve(a, model, a.LearningRate, a.Clip, a.Kernels)
}

// SGD is plain gradient descent: weight_new = weight_old - learning rate × gradient. It remembers nothing.
type SGD struct {
	LearningRate float64
	Clip         float64 // largest global norm of the gradient; 0 is no limit

	kernels *kernel.Set
	rate    float32
}

// NewSGD returns plain gradient descent.
func NewSGD(learningRate float64) *SGD {
	return &SGD{LearningRate: learningRate, kernels: kernel.Best()}
}

// Begin implements Optimizer.
func (s *SGD) Begin(learningRate, scale float64) { s.rate = float32(learningRate * scale) }

// Update implements Optimizer.
func (s *SGD) Update(_ int, weights, gradients []float32, _ bool) {
	s.kernels.SGD(weights, gradients, s.rate)
}

// State returns nothing.
func (s *SGD) State() []StateVector { return nil }

// SetSteps does nothing: every step is alike.
func (s *SGD) SetSteps(int) {}

// Step implements gorgonia.Solver.
func (s *SGD) Step(model []gorgonia.ValueGrad) error {
	return solve(s, model, s.LearningRate, s.Clip, s.kernels)
}

// solve takes a whole step over float32 tensors, in order.
func solve(o Optimizer, model []gorgonia.ValueGrad, learningRate, clip float64, kernels *kernel.Set) error {
	weights, gradients := make([][]float32, len(model)), make([][]float32, len(model))
	var squares float64
	for i, p := range model {
		gradient, err := p.Grad()
		if err != nil {
			return fmt.Errorf("parameter %d: %w", i, err)
		}
		var ok1, ok2 bool
		weights[i], ok1 = p.Value().Data().([]float32)
		gradients[i], ok2 = gradient.Data().([]float32)
		if !ok1 || !ok2 || len(weights[i]) != len(gradients[i]) {
			return fmt.Errorf("parameter %d has the value %v %v and the gradient %v %v, expected float32 tensors of one shape",
				i, p.Value().Dtype(), p.Value().Shape(), gradient.Dtype(), gradient.Shape())
		}
		squares += kernels.SumSquares(gradients[i])
	}
	o.Begin(learningRate, clipScale(math.Sqrt(squares), clip))
	begin := 0
	for i, p := range model {
		shape := p.Value().Shape()
		if whole, ok := o.(matrixOptimizer); ok && shape.Dims() == 2 {
			whole.updateMatrix(0, begin, weights[i], gradients[i], shape[0], shape[1])
		} else {
			o.Update(begin, weights[i], gradients[i], shape.Dims() > 1)
		}
		begin += vm.Align(4*len(weights[i])) / 4
	}
	return nil
}

// clipScale is the factor that brings a gradient of the given norm down to the limit, as PyTorch's clip_grad_norm_ computes it; 1 without
// a limit.
func clipScale(norm, limit float64) float64 {
	if limit <= 0 {
		return 1
	}
	return min(1, limit/(norm+1e-6))
}
