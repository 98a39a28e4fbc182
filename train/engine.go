package train

import (
	"errors"
	"iter"
	"math"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/team"
	"trainer/internal/vm"
	"trainer/model"
)

// engine computes the gradient of a batch and applies it. A small model has one worker a thread, each with a shard of the batch and its own
// gradient, which are added in a fixed order. A large model has one worker whose backend divides every instruction among the threads,
// since a gradient a worker would cost too much memory.
type engine struct {
	model     *model.Model
	optimizer Optimizer
	clip      float64
	workers   []*worker
	team      *team.Team
	kernels   *kernel.Set
	blocks    [][]block // by thread

	// The step that is being taken.
	data    *Dataset
	batch   []int32 // of micro-batches, one behind the other
	micro   int     // examples in each
	all     bool    // loss on every token instead of the answer
	weight  float32
	squares []float64 // by block: squared norm of the gradient

	forward, update []team.Phase
}

// worker runs shards on a backend.
type worker struct {
	backend   vm.Backend
	executor  *model.Executor
	batch     model.Batch
	gradients []float32 // summed over the micro-batches; nil without examples
	sum       []float32 // memory of that sum, when there are several
	loss      float64
	right     int // examples whose answer was right in full
	tokens    int
	err       error
}

// block is a piece of a parameter: what one thread sums and updates at a time. Its size does not depend on the number of threads, and
// neither do the sums over blocks.
type block struct {
	index, begin, end int
	stage             int
	matrix            bool
}

// blockSize is about the half of a first-level cache in weights, gradients and moments.
const blockSize = 2048

// shardLimit is the number of weights up to which each thread gets a shard of the batch. Adding the gradients of two shards costs
// 8 bytes of traffic a weight, little beside a step as long as they fit the second-level cache.
const shardLimit = 4 << 20

func newEngine(m *model.Model, o Optimizer, clip float64, threads int, kernels *kernel.Set) *engine {
	e := &engine{model: m, optimizer: o, clip: clip, team: team.New(threads), kernels: kernels}
	workers, inner := threads, 1
	if len(m.Weights) > shardLimit {
		workers, inner = 1, threads
	}
	for range workers {
		b := cpu.New(inner, kernels)
		e.workers = append(e.workers, &worker{backend: b, executor: model.NewExecutor(m, b)})
	}
	e.divide(threads)
	e.forward = []team.Phase{e.forwardBackward}
	e.update = []team.Phase{e.reduce, e.apply}
	return e
}

// divide cuts the parameters into blocks and gives every thread about the same number of weights.
func (e *engine) divide(threads int) {
	total := e.model.Config.NumParameters()
	e.blocks = make([][]block, threads)
	index, done := 0, 0
	for i := range e.model.Parameters {
		p := &e.model.Parameters[i]
		for at := 0; at < p.Size(); at += blockSize {
			size := min(blockSize, p.Size()-at)
			t := min(threads-1, done*threads/total)
			begin := p.Begin + at
			e.blocks[t] = append(e.blocks[t], block{index: index, begin: begin, end: begin + size, stage: p.Stage, matrix: p.IsMatrix()})
			index, done = index+1, done+size
		}
	}
	e.squares = make([]float64, index)
}

// outcome is what a step tells about itself.
type outcome struct {
	loss, norm float64
	right      int // examples answered right in full, before the update
	tokens     int
}

// finite says that the step's loss and gradient are numbers.
func (o outcome) finite() bool { return !math.IsNaN(o.loss+o.norm) && !math.IsInf(o.loss+o.norm, 0) }

// step trains on a batch of examples, micro at a time. A loss or gradient that is not finite leaves the weights as they were.
func (e *engine) step(d *Dataset, batch []int32, micro int, all bool, rate float64) (outcome, error) {
	if err := e.gradient(d, batch, micro, all); err != nil {
		return outcome{}, err
	}
	e.team.Run(e.update[:1])
	out := e.outcome()
	if out.finite() {
		e.optimizer.Begin(rate, clipScale(out.norm, e.clip))
		e.team.Run(e.update[1:])
	}
	return out, nil
}

// gradient leaves in each worker the gradient of its shards.
func (e *engine) gradient(d *Dataset, batch []int32, micro int, all bool) error {
	e.data, e.batch, e.micro, e.all = d, batch, micro, all
	predictions := 0
	for _, i := range batch {
		_, wanted := e.targets(&d.sequences[i])
		predictions += wanted
	}
	e.weight = 1 / float32(predictions)
	return e.everyWorker(e.forward)
}

// everyWorker runs phases on all workers, and returns the first error that one left. A worker alone runs outside of the team, whose threads
// it needs itself.
func (e *engine) everyWorker(phases []team.Phase) error {
	if len(e.workers) > 1 {
		e.team.Run(phases)
	} else {
		for _, phase := range phases {
			phase(0, 1)
		}
	}
	for _, w := range e.workers {
		if w.err != nil {
			return w.err
		}
	}
	return nil
}

// targets returns the targets of a sequence that the loss counts, -1 for others, and their number.
func (e *engine) targets(s *sequence) (list []int32, wanted int) {
	if e.all {
		return s.targets, len(s.targets)
	}
	return s.answers, s.wanted
}

// shards yields a worker's part of each micro-batch, where it has one.
func (e *engine) shards(w, workers int) iter.Seq[[]int32] {
	return func(yield func([]int32) bool) {
		for at := 0; at < len(e.batch); at += e.micro {
			shard := part(e.batch[at:min(at+e.micro, len(e.batch))], w, workers)
			if len(shard) > 0 && !yield(shard) {
				return
			}
		}
	}
}

// forwardBackward is a worker's part of the gradient.
func (e *engine) forwardBackward(w, workers int) {
	me := e.workers[w]
	me.gradients, me.loss, me.right, me.tokens, me.err = nil, 0, 0, 0, nil
	for shard := range e.shards(w, workers) {
		e.fill(&me.batch, shard)
		me.tokens += me.batch.Tokens()
		r, err := me.executor.Run(&me.batch, model.Train, e.weight)
		if err != nil {
			me.err = err
			return
		}
		me.loss += float64(r.Loss)
		me.right += e.rightAnswers(shard, r.Hits)
		switch {
		case len(e.batch) <= e.micro:
			me.gradients = r.Gradients
		case me.gradients == nil:
			if me.sum == nil {
				me.sum = vm.AlignedFloat32s(len(r.Gradients))
			}
			me.gradients = me.sum
			copy(me.sum, r.Gradients)
		default:
			e.kernels.Add(me.sum, me.sum, r.Gradients)
		}
	}
}

// part is worker w's part of a list. The first worker has one of any list that is not empty.
func part(list []int32, w, workers int) []int32 {
	from := func(w int) int { return (len(list)*w + workers - 1) / workers }
	return list[from(w):from(w+1)]
}

// fill makes a batch of examples.
func (e *engine) fill(b *model.Batch, examples []int32) {
	b.Reset()
	for _, i := range examples {
		s := &e.data.sequences[i]
		targets, _ := e.targets(s)
		b.Add(s.inputs, targets)
	}
}

// rightAnswers counts the examples with all of their answer right, from the hits of their targets.
func (e *engine) rightAnswers(examples []int32, hits []float32) int {
	right := 0
	for _, i := range examples {
		s := &e.data.sequences[i]
		_, wanted := e.targets(s)
		if allHit(hits[wanted-s.wanted : wanted]) {
			right++
		}
		hits = hits[wanted:]
	}
	return right
}

func allHit(hits []float32) bool {
	for _, h := range hits {
		if h == 0 {
			return false
		}
	}
	return true
}

// reduce adds the workers' gradients into that of worker 0, and squares the sum.
func (e *engine) reduce(thread, _ int) {
	sum := e.workers[0].gradients
	for _, b := range e.blocks[thread] {
		for _, w := range e.workers[1:] {
			if w.gradients == nil {
				continue
			}
			e.kernels.Add(sum[b.begin:b.end], sum[b.begin:b.end], w.gradients[b.begin:b.end])
		}
		e.squares[b.index] = e.kernels.SumSquares(sum[b.begin:b.end])
	}
}

// apply updates the weights.
func (e *engine) apply(thread, _ int) {
	gradients := e.workers[0].gradients
	for _, b := range e.blocks[thread] {
		e.optimizer.Update(b.begin, e.model.Weights[b.begin:b.end], gradients[b.begin:b.end], b.matrix)
	}
}

// outcome sums up the workers and the blocks, in order.
func (e *engine) outcome() outcome {
	var o outcome
	for _, w := range e.workers {
		o.loss += w.loss
		o.right += w.right
		o.tokens += w.tokens
	}
	for _, s := range e.squares {
		o.norm += s
	}
	o.norm = math.Sqrt(o.norm)
	return o
}

// blame fills in the share of each stage in the squared norm of the last gradient.
func (e *engine) blame(stages []float64) {
	clear(stages)
	var total float64
	for _, list := range e.blocks {
		for _, b := range list {
			stages[b.stage] += e.squares[b.index]
			total += e.squares[b.index]
		}
	}
	for i := range stages {
		if total > 0 {
			stages[i] /= total
		}
	}
}

// close ends the threads.
func (e *engine) close() error {
	e.team.Close()
	var err error
	for _, w := range e.workers {
		err = errors.Join(err, w.backend.Close())
	}
	return err
}

// device names what the workers run on, for people.
func (e *engine) device() string {
	return cpu.Describe(e.kernels, e.team.Size())
}

// firstNonFinite finds where in the last batch, whose outcome is not finite, a number stopped being so.
func (e *engine) firstNonFinite() (*model.NonFinite, error) {
	for w, me := range e.workers {
		for shard := range e.shards(w, len(e.workers)) {
			e.fill(&me.batch, shard)
			found, err := me.executor.FirstNonFinite(&me.batch, e.weight)
			if found != nil || err != nil {
				return found, err
			}
		}
	}
	return &model.NonFinite{Stage: e.steepestStage(), Backward: true}, nil
}

// steepestStage is the stage of the block with the largest gradient. Where every number of a batch is finite, it is the sum or the square
// of those that is not.
func (e *engine) steepestStage() int {
	stage, largest := 0, 0.0
	for _, list := range e.blocks {
		for _, b := range list {
			if s := e.squares[b.index]; s > largest || math.IsNaN(s) {
				stage, largest = b.stage, s
			}
		}
	}
	return stage
}
