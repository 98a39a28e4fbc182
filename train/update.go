package train

import (
	"cmp"
	"math"
	"slices"

	"trainer/internal/cpu/kernel"
	"trainer/internal/team"
	"trainer/internal/vm"
	"trainer/model"
)

// updater is the end of a training step: it adds up the gradients of the workers, measures the sum and moves the weights.
type updater interface {
	// keep takes the gradient that worker w's executor computed last, as the first of a step or added to those before it. alone says that none
	// follows in this step. Without an executor the worker has none.
	keep(w int, x *model.Executor, first, alone bool) error
	// update ends a step. Where it is to move the weights, but the loss or the gradient is not finite, they stay as they are.
	update(j *job) error
	// squares tells the squared norm of the gradient of each stage, of the oldest update that was not asked for.
	squares(stages []float64) error
	// gradient is the sum as of the last update, in the layout of model.Weights.
	gradient() ([]float32, error)

	// fetch brings the weights and the optimizer's state up to date on the host; push takes them from there, as they are after so many steps.
	fetch() error
	push(steps int) error
	close() error
}

// hostUpdater updates weights on the CPU, block by block on a team of threads.
type hostUpdater struct {
	model     *model.Model
	optimizer Optimizer
	clip      float64
	team      *team.Team
	kernels   *kernel.Set
	blocks    [][]block            // by thread
	matrices  [][]*model.Parameter // by thread: what the optimizer updates whole
	gradients [][]float32          // by worker; nil where it had no example. The sum is in the first.
	sums      [][]float32          // by worker: memory of its sum, when it has several shards
	blockSums []float64            // by block: squared norm of the gradient
	reduction []team.Phase
	movement  []team.Phase
}

// block is a piece of a parameter: what one thread sums and updates at a time. Its size does not depend on the number of threads, and
// neither do the sums over blocks.
type block struct {
	index, begin, end int
	stage             int
	matrix            bool
	whole             bool // is updated with the rest of its matrix
}

// blockSize is about the half of a first-level cache in weights, gradients and moments.
const blockSize = 2048

// newHostUpdater returns an updater for a number of workers; it closes the team.
func newHostUpdater(m *model.Model, o Optimizer, clip float64, t *team.Team, workers int, kernels *kernel.Set) *hostUpdater {
	u := &hostUpdater{model: m, optimizer: o, clip: clip, team: t, kernels: kernels,
		gradients: make([][]float32, workers), sums: make([][]float32, workers)}
	u.divide(t.Size())
	if whole, ok := o.(matrixOptimizer); ok {
		u.assign(whole)
	}
	u.reduction, u.movement = []team.Phase{u.reduce}, []team.Phase{u.move}
	return u
}

// divide cuts the parameters into blocks and gives every thread about the same number of weights.
func (u *hostUpdater) divide(threads int) {
	total := u.model.Config.NumParameters()
	u.blocks = make([][]block, threads)
	index, done := 0, 0
	for i := range u.model.Parameters {
		p := &u.model.Parameters[i]
		for at := 0; at < p.Size(); at += blockSize {
			size := min(blockSize, p.Size()-at)
			t := min(threads-1, done*threads/total)
			begin := p.Begin + at
			u.blocks[t] = append(u.blocks[t], block{index: index, begin: begin, end: begin + size, stage: p.Stage, matrix: p.IsMatrix()})
			index, done = index+1, done+size
		}
	}
	u.blockSums = make([]float64, index)
}

// assign deals the matrices that are updated whole to the threads, the largest first, each to the one that has least to do.
func (u *hostUpdater) assign(o matrixOptimizer) {
	var list []*model.Parameter
	for i := range u.model.Parameters {
		if p := &u.model.Parameters[i]; isHidden(p, u.model.Stages) {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b *model.Parameter) int { return cmp.Compare(b.Size(), a.Size()) })
	u.matrices = make([][]*model.Parameter, u.team.Size())
	load := make([]int, u.team.Size())
	for _, p := range list {
		least := slices.Index(load, slices.Min(load))
		u.matrices[least] = append(u.matrices[least], p)
		load[least] += p.Size()
	}
	for _, blocks := range u.blocks {
		for i := range blocks {
			for _, p := range list {
				blocks[i].whole = blocks[i].whole || p.Begin <= blocks[i].begin && blocks[i].begin < p.Begin+p.Size()
			}
		}
	}
	o.serve(u.team.Size())
}

func (u *hostUpdater) keep(w int, x *model.Executor, first, alone bool) error {
	if x == nil {
		u.gradients[w] = nil
		return nil
	}
	g, err := x.Gradients()
	switch {
	case err != nil:
		return err
	case alone:
		u.gradients[w] = g
	case first:
		if u.sums[w] == nil {
			u.sums[w] = vm.AlignedFloat32s(len(g))
		}
		copy(u.sums[w], g)
		u.gradients[w] = u.sums[w]
	default:
		u.kernels.Add(u.sums[w], u.sums[w], g)
	}
	return nil
}

func (u *hostUpdater) update(j *job) error {
	u.team.Run(u.reduction)
	var squares float64
	for _, s := range u.blockSums {
		squares += s
	}
	if j.move && finite(squares+j.loss()) {
		u.optimizer.Begin(j.rate, clipScale(math.Sqrt(squares), u.clip))
		u.team.Run(u.movement)
	}
	return nil
}

// reduce adds the workers' gradients into that of worker 0, and squares the sum.
func (u *hostUpdater) reduce(thread, _ int) {
	sum := u.gradients[0]
	for _, b := range u.blocks[thread] {
		for _, g := range u.gradients[1:] {
			if g != nil {
				u.kernels.Add(sum[b.begin:b.end], sum[b.begin:b.end], g[b.begin:b.end])
			}
		}
		u.blockSums[b.index] = u.kernels.SumSquares(sum[b.begin:b.end])
	}
}

// move takes the optimizer's step.
func (u *hostUpdater) move(thread, _ int) {
	for _, b := range u.blocks[thread] {
		if !b.whole {
			u.optimizer.Update(b.begin, u.model.Weights[b.begin:b.end], u.gradients[0][b.begin:b.end], b.matrix)
		}
	}
	if u.matrices == nil {
		return
	}
	for _, p := range u.matrices[thread] {
		u.optimizer.(matrixOptimizer).updateMatrix(thread, p.Begin, u.model.Weights[p.Begin:], u.gradients[0][p.Begin:], p.Shape[0], p.Shape[1])
	}
}

func (u *hostUpdater) squares(stages []float64) error {
	clear(stages)
	for _, list := range u.blocks {
		for _, b := range list {
			stages[b.stage] += u.blockSums[b.index]
		}
	}
	return nil
}

func (u *hostUpdater) gradient() ([]float32, error) { return u.gradients[0], nil }

// The host is where the weights are.
func (u *hostUpdater) fetch() error   { return nil }
func (u *hostUpdater) push(int) error { return nil }

// close ends the threads.
func (u *hostUpdater) close() error {
	u.team.Close()
	return nil
}
