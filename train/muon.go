package train

import (
	"math"

	"gorgonia.org/gorgonia"

	"trainer/internal/cpu/kernel"
	"trainer/internal/vm"
	"trainer/model"
)

// Muon moves the matrices of the blocks by their momentum made orthogonal (Jordan et al. 2024), and everything else, embeddings, biases, norms and
// the output layer, by AdamW. A matrix step has the root mean square of a step of AdamW, so that both take the same learning rate and decay
// (Liu et al. 2025, section 2.2):
//
//	m ← Momentum·m + g;   w ← w - lr·(0.2·√max(rows, columns)·orthogonal(g + Momentum·m) + decay·w)
type Muon struct {
	AdamW
	Momentum float64

	threads []*orthogonalizer
}

// NewMuon returns an optimizer for a vector of n weights, with momentum 0.95, and of AdamW with the defaults of NewAdamW.
func NewMuon(n int, learningRate, weightDecay float64) *Muon {
	return &Muon{AdamW: *NewAdamW(n, learningRate, weightDecay), Momentum: 0.95}
}

// matrixOptimizer is an Optimizer that updates some parameters whole.
type matrixOptimizer interface {
	Optimizer
	// serve says how many threads updateMatrix may be called on at the same time.
	serve(threads int)
	// updateMatrix takes the step on a parameter [rows, columns] whose state begins at an element of the optimizer's.
	updateMatrix(thread, place int, weights, gradients []float32, rows, columns int)
}

// isHidden says that a parameter is a matrix of a block.
func isHidden(p *model.Parameter, stages []model.Stage) bool {
	return p.IsMatrix() && stages[p.Stage].Block
}

func (m *Muon) serve(threads int) {
	m.threads = nil
	for range threads {
		m.threads = append(m.threads, &orthogonalizer{kernels: m.Kernels})
	}
}

// Step implements gorgonia.Solver. It takes every matrix for one of a block.
func (m *Muon) Step(model []gorgonia.ValueGrad) error {
	m.serve(1)
	return solve(m, model, m.LearningRate, m.Clip, m.Kernels)
}

func (m *Muon) updateMatrix(thread, place int, weights, gradients []float32, rows, columns int) {
	n, momentum := rows*columns, float32(m.Momentum)
	moving := m.first[place : place+n]
	o := m.threads[thread]
	o.reserve(n, min(rows, columns))
	direction := o.x[:n]
	scale := m.matrix.GradScale
	for i, g := range gradients[:n] {
		g *= scale
		moving[i] = momentum*moving[i] + g
		direction[i] = g + momentum*moving[i]
	}
	direction = o.run(rows, columns)
	rate, size := m.matrix.LearningRate, float32(0.2*math.Sqrt(float64(max(rows, columns))))
	for i := range weights[:n] {
		weights[i] -= rate * (size*direction[i] + m.matrix.WeightDecay*weights[i])
	}
}

// orthogonalizer brings the singular values of a matrix near 1, by Newton-Schulz iterations of the fifth order.
type orthogonalizer struct {
	kernels *kernel.Set
	x, y    []float32 // [rows, columns]; the matrix is in x
	a, b    []float32 // [small, small], small being the lesser of the two
	scratch []float32 // of products
}

// reserve makes room for a matrix of n elements.
func (o *orthogonalizer) reserve(n, small int) {
	if len(o.x) < n {
		o.x, o.y = vm.AlignedFloat32s(n), vm.AlignedFloat32s(n)
	}
	if len(o.a) < small*small {
		o.a, o.b = vm.AlignedFloat32s(small*small), vm.AlignedFloat32s(small*small)
	}
}

// The coefficients and the number of iterations of Jordan et al. 2024: singular values end between 0.7 and 1.2, which is near enough and
// soon reached.
const (
	schulzA, schulzB, schulzC = 3.4445, -4.7750, 2.0315
	schulzIterations          = 5
)

// run orthogonalises the matrix [rows, columns] and returns where the result is. With the Gram matrix A = X·Xᵀ of the shorter side, an iteration is
// X ← a·X + (b·A + c·A²)·X.
func (o *orthogonalizer) run(rows, columns int) []float32 {
	n, small := rows*columns, min(rows, columns)
	x, y := o.x[:n], o.y[:n]
	size := math.Sqrt(o.kernels.SumSquares(x)) + 1e-7
	inverse := float32(1 / size)
	for i := range x {
		x[i] *= inverse
	}
	a, b := o.a[:small*small], o.b[:small*small]
	wide := rows <= columns
	for range schulzIterations {
		// A = X·Xᵀ or, of a tall matrix, Xᵀ·X.
		o.product(a, x, x, small, small, max(rows, columns), columns, columns, !wide, wide)
		o.product(b, a, a, small, small, small, small, small, false, false)
		for i := range b {
			b[i] = schulzB*a[i] + schulzC*b[i]
		}
		if wide {
			o.product(y, b, x, rows, columns, small, small, columns, false, false)
		} else {
			o.product(y, x, b, rows, columns, small, columns, small, false, false)
		}
		for i := range y {
			y[i] += schulzA * x[i]
		}
		x, y = y, x
	}
	return x
}

// product is c [m, n] = op(a)·op(b), with k terms.
func (o *orthogonalizer) product(c, a, b []float32, m, n, k, strideA, strideB int, transA, transB bool) {
	if need := o.kernels.GemmScratch(m, n, k); len(o.scratch) < need {
		o.scratch = vm.AlignedFloat32s(need)
	}
	o.kernels.Gemm(&kernel.Gemm{M: m, N: n, K: k, A: a, StrideA: strideA, TransA: transA, B: b, StrideB: strideB, TransB: transB, C: c, StrideC: n},
		o.scratch)
}
