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
	// expect says that worker w is about to run a shard of a step, the first or the last one or neither; without an executor it has none.
	expect(w int, x *model.Executor, first, last bool)
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
	partition *partition
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

// newHostUpdater returns an updater of the weights that this rank owns, for a number of workers; it closes the team.
func newHostUpdater(m *model.Model, p *partition, o Optimizer, clip float64, t *team.Team, workers int, kernels *kernel.Set) *hostUpdater {
	u := &hostUpdater{model: m, partition: p, optimizer: o, clip: clip, team: t, kernels: kernels,
		gradients: make([][]float32, workers), sums: make([][]float32, workers)}
	u.deal(t.Size())
	if whole, ok := o.(matrixOptimizer); ok {
		u.assign(whole)
	}
	u.reduction, u.movement = []team.Phase{u.reduce}, []team.Phase{u.move}
	return u
}

// deal gives every thread about the same number of the rank's weights.
func (u *hostUpdater) deal(threads int) {
	var own []block
	total := 0
	for _, b := range u.partition.blocks {
		if b.owner == u.partition.rank {
			own, total = append(own, b), total+b.end-b.begin
		}
	}
	u.blocks = make([][]block, threads)
	done := 0
	for _, b := range own {
		t := min(threads-1, done*threads/total)
		u.blocks[t] = append(u.blocks[t], b)
		done += b.end - b.begin
	}
	u.blockSums = make([]float64, len(u.partition.blocks))
}

// assign deals the rank's matrices that are updated whole to the threads, the largest first, each to the one that has least to do.
func (u *hostUpdater) assign(o matrixOptimizer) {
	var list []*model.Parameter
	for i := range u.model.Parameters {
		p := &u.model.Parameters[i]
		if owner, _ := u.partition.find(p.Begin); owner == u.partition.rank && isHidden(p, u.model.Stages) {
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
	o.serve(u.team.Size())
}

func (u *hostUpdater) expect(int, *model.Executor, bool, bool) {}

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
	u.advance(j)
	return nil
}

// advance moves the rank's weights, where the job is to and all squares are finite.
func (u *hostUpdater) advance(j *job) (moved bool) {
	var squares float64
	for _, s := range u.blockSums {
		squares += s
	}
	if !j.move || !finite(squares+j.total().loss) {
		return false
	}
	u.optimizer.Begin(j.rate, clipScale(math.Sqrt(squares), u.clip))
	u.team.Run(u.movement)
	return true
}

// reduce adds the workers' gradients into that of worker 0, and squares the sum.
func (u *hostUpdater) reduce(thread, _ int) {
	for _, b := range u.blocks[thread] {
		u.addWorkers(b.begin, b.end)
		u.blockSums[b.index] = u.kernels.SumSquares(u.gradients[0][b.begin:b.end])
	}
}

// addWorkers adds the workers' gradients of a stretch into that of worker 0.
func (u *hostUpdater) addWorkers(begin, end int) {
	sum := u.gradients[0][begin:end]
	for _, g := range u.gradients[1:] {
		if g != nil {
			u.kernels.Add(sum, sum, g[begin:end])
		}
	}
}

// move takes the optimizer's step.
func (u *hostUpdater) move(thread, _ int) {
	for _, b := range u.blocks[thread] {
		if !b.whole {
			u.optimizer.Update(b.place, u.model.Weights[b.begin:b.end], u.gradients[0][b.begin:b.end], b.matrix)
		}
	}
	if u.matrices == nil {
		return
	}
	for _, p := range u.matrices[thread] {
		_, place := u.partition.find(p.Begin)
		u.optimizer.(matrixOptimizer).updateMatrix(thread, place, u.model.Weights[p.Begin:], u.gradients[0][p.Begin:], p.Shape[0], p.Shape[1])
	}
}

func (u *hostUpdater) squares(stages []float64) error {
	clear(stages)
	for i := range u.partition.blocks {
		stages[u.partition.blocks[i].stage] += u.blockSums[i]
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
