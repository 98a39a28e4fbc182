package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"trainer/internal/cpu/kernel"
)

func TestOrthogonalizationBringsSingularValuesNearOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][2]int{{1, 1}, {1, 9}, {9, 1}, {16, 16}, {5, 40}, {40, 5}, {33, 64}, {128, 96}} {
		rows, columns := shape[0], shape[1]
		o := &orthogonalizer{kernels: kernel.Best()}
		o.reserve(rows*columns, min(rows, columns))
		given := mat.NewDense(rows, columns, nil)
		for i := range rows * columns {
			o.x[i] = float32(random.NormFloat64() * 1e-3)
			given.Set(i/columns, i%columns, float64(o.x[i]))
		}
		result := mat.NewDense(rows, columns, nil)
		for i, v := range o.run(rows, columns) {
			result.Set(i/columns, i%columns, float64(v))
		}
		var before, after mat.SVD
		before.Factorize(given, mat.SVDThin)
		after.Factorize(result, mat.SVDThin)
		// What is far smaller than the largest is not brought to 1 in five iterations.
		smallest := before.Values(nil)[min(rows, columns)-1] / mat.Norm(given, 2)
		for i, v := range after.Values(nil) {
			if v > 1.25 || v < 0.65 && smallest > 0.01 {
				t.Errorf("%d x %d: singular value %d is %g", rows, columns, i, v)
			}
		}
		// The singular vectors stay: Uᵀ·X·V of the given ones is diagonal.
		var u, v, product mat.Dense
		before.UTo(&u)
		before.VTo(&v)
		product.Product(u.T(), result, &v)
		for i := range min(rows, columns) {
			for j := range min(rows, columns) {
				if x := math.Abs(product.At(i, j)); i != j && x > 2e-3 {
					t.Fatalf("%d x %d: the singular vectors %d and %d are mixed by %g", rows, columns, i, j, x)
				}
			}
		}
	}
}

func TestMuonMovesMatricesOfBlocksByTheSizeOfAdamW(t *testing.T) {
	for _, threads := range []int{1, 2} {
		o := quick()
		o.Optimizer, o.WeightDecay, o.Threads, o.Clip = "muon", 0, threads, 0
		trainer := newTrainer(t, mixed(50), o)
		old := append([]float32(nil), trainer.Model.Weights...)
		m := steps(t, trainer, 1)[0]
		for i := range trainer.Model.Parameters {
			p := &trainer.Model.Parameters[i]
			squares := 0.0
			for j := p.Begin; j < p.Begin+p.Size(); j++ {
				d := float64(trainer.Model.Weights[j]-old[j]) / m.LearningRate
				squares += d * d
			}
			size := math.Sqrt(squares / float64(p.Size()))
			if isHidden(p, trainer.Model.Stages) && !(size > 0.1 && size < 0.3) {
				t.Errorf("%d threads: a step of %s has the size %g, want about 0.2 of the learning rate", threads, p.Name, size)
			}
		}
	}
}

func TestMuonLearnsAndItsThreadsAgree(t *testing.T) {
	var want []float32
	for _, threads := range []int{1, 2} {
		o := quick()
		o.Optimizer, o.Steps, o.Threads = "muon", 40, threads
		trainer := newTrainer(t, sums(t, 9), o)
		list := steps(t, trainer, 40)
		if first, last := list[0].Loss, list[39].Loss; last > first-1 {
			t.Errorf("%d threads: 40 steps took the loss from %g to %g", threads, first, last)
		}
		if threads == 1 {
			want = trainer.Model.Weights
		} else if d := distance(trainer.Model.Weights, want); d > 1e-3 {
			t.Errorf("two threads differ from one by %g", d)
		}
	}
}
