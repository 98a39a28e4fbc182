package train

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"trainer/internal/collective"
	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/device"
	"trainer/internal/team"
	"trainer/internal/vm"
	"trainer/model"
)

// engine computes the gradients of batches and has an updater apply them. A small model on the CPU has one worker a thread, each with a
// shard of the batch and its own gradient, which are added in a fixed order. A large model has one worker whose backend divides every
// instruction among the threads, since a gradient a worker would cost too much memory; and a GPU is one worker.
//
// Where several processes train together, each has an engine for its part of every batch, and their updaters bring the gradients together.
//
// A step is begun by start and ended by finish. On a GPU the next one can be begun before the last one is finished, so that the GPU never
// waits for the host.
type engine struct {
	model   *model.Model
	device  string // for people
	workers []*worker
	team    *team.Team // runs the workers; nil where there is one
	updater updater
	group   collective.Communicator
	data    Data
	stop    func() bool // says between micro-batches whether to give the step up; nil is never. It is not asked in a group.
	wish    func() wish // what this process of a group wants all to do behind the step; nil is nothing
	started []*job      // and not finished, oldest first
	spare   []*job      // finished, the last one at the end
	forward []team.Phase
}

// worker runs shards on a backend.
type worker struct {
	backend  vm.Backend
	executor *model.Executor
	index    int
	batch    model.Batch
	room     room
	queued   []shard // whose results are still to be collected, oldest first
	err      error
}

// shard is a worker's part of a micro-batch.
type shard struct {
	job    *job
	places []int
}

// job is a batch on its way through forward pass, backward pass and update.
type job struct {
	batch   []int   // places of sequences: micro-batches, one behind the other
	micro   int     // sequences in each
	all     bool    // loss on every token instead of the answer
	rate    float64 // learning rate
	move    bool    // take the step; without, the gradient is only measured
	dropout uint64  // key of the step's dropout; 0 is none
	weight  float32 // of each prediction in the loss
	tallies []tally // by worker; behind the update of a group, one of all ranks
	wish    wish    // of this process; behind the update of a group, of any of them
}

// wish is what a process of a group wants all to do behind a step.
type wish int

const (
	toStop wish = 1 << iota
	toRest      // for the interlude
)

// tally is what a worker found in its shards of a job.
type tally struct {
	loss   float64
	right  int // answers, or tokens of text
	of     int
	tokens int // read
}

// total is the tally of the job, once the shards are collected. Its loss is the mean of the batch, or this rank's share of that.
func (j *job) total() tally {
	var sum tally
	for _, t := range j.tallies {
		sum.loss, sum.right, sum.of, sum.tokens = sum.loss+t.loss, sum.right+t.right, sum.of+t.of, sum.tokens+t.tokens
	}
	return sum
}

// shardLimit is the number of weights up to which each thread gets a shard of the batch. Adding the gradients of two shards costs
// 8 bytes of traffic a weight, little beside a step as long as they fit the second-level cache.
const shardLimit = 4 << 20

// newHostEngine returns an engine on the CPU, with options that have their defaults.
func newHostEngine(m *model.Model, p *partition, optimizer Optimizer, o Options, kernels *kernel.Set) *engine {
	workers, inner := o.Threads, 1
	if len(m.Weights) > shardLimit {
		workers, inner = 1, o.Threads
	}
	backends := make([]vm.Backend, workers)
	for i := range backends {
		backends[i] = cpu.New(inner, kernels)
	}
	t := team.New(o.Threads)
	host, description := newHostUpdater(m, p, optimizer, o.Clip, t, workers, kernels), cpu.Describe(kernels, o.Threads)
	if o.Group.Size() == 1 {
		return newEngine(m, description, backends, t, host)
	}
	u := newGroupUpdater(host, o.Group)
	e := newEngine(m, fmt.Sprintf("%s, in each of %d processes", description, o.Group.Size()), backends, t, u)
	e.group = o.Group
	for w, worker := range e.workers {
		u.watch(w, worker.executor)
	}
	return e
}

// partitionOf divides the weights among the ranks of the options.
func partitionOf(m *model.Model, o Options) *partition {
	rank, ranks := o.Group.Rank(), o.Group.Size()
	if ranks > 1 && device.IsGPU(o.Device) {
		return newEvenPartition(m, rank, ranks)
	}
	return newPartition(m, rank, ranks, o.Optimizer == muonName)
}

// engineOf returns the engine of the options' device.
func engineOf(m *model.Model, p *partition, optimizer Optimizer, o Options) (*engine, error) {
	var e *engine
	if device.IsGPU(o.Device) {
		var err error
		if o.Group.Size() > 1 {
			e, err = newGPUGroupEngine(m, p, optimizer, o)
		} else {
			e, err = newGPUEngine(m, optimizer, o)
		}
		if err != nil {
			return nil, err
		}
	} else {
		e = newHostEngine(m, p, optimizer, o, device.Kernels(o.Precision))
	}
	for _, w := range e.workers {
		w.executor.Recompute = o.Recompute
	}
	return e, nil
}

// newEngine returns an engine with a worker for each backend; it closes them.
func newEngine(m *model.Model, device string, backends []vm.Backend, t *team.Team, u updater) *engine {
	e := &engine{model: m, device: device, team: t, updater: u, group: collective.Alone{}}
	for i, b := range backends {
		e.workers = append(e.workers, &worker{index: i, backend: b, executor: model.NewExecutor(m, b)})
	}
	e.forward = []team.Phase{e.forwardBackward}
	return e
}

// outcome is what a step tells about itself.
type outcome struct {
	loss, norm float64
	accuracy   float64   // share of the answers that were right in full, or of the tokens of text, before the update
	tokens     int       // read
	blame      []float64 // by stage: its share of the squared norm of the gradient
	wish       wish      // of a process of the group
}

// finite says that the step's loss and gradient are numbers.
func (o outcome) finite() bool { return finite(o.loss + o.norm) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// start begins a step: the gradient of a batch of examples, micro at a time, and with move the new weights. A loss or gradient that is not
// finite leaves the weights as they were.
func (e *engine) start(d Data, j job) error {
	var next *job
	if n := len(e.spare); n > 0 {
		next, e.spare = e.spare[n-1], e.spare[:n-1]
	} else {
		next = &job{tallies: make([]tally, len(e.workers))}
	}
	j.tallies, j.batch = next.tallies, append(next.batch[:0], j.batch...)
	clear(j.tallies)
	predictions := 0
	for _, at := range j.batch {
		predictions += d.wanted(at, j.all)
	}
	j.weight = 1 / float32(predictions)
	if e.together() && e.wish != nil {
		j.wish = e.wish()
	}
	*next = j
	e.data, e.started = d, append(e.started, next)
	if err := e.everyWorker(e.forward); err != nil {
		if failed := e.abandon(); failed != nil && err == errStopped {
			return failed
		}
		return err
	}
	return e.updater.update(next)
}

// errStopped says that a step was given up, as if it had not been begun.
var errStopped = errors.New("stopped between two micro-batches")

// abandon forgets the job that was started last, once its shards that run have ended.
func (e *engine) abandon() error {
	n := len(e.started) - 1
	e.spare = slices.Insert(e.spare, 0, e.started[n]) // the last one stays the one that was finished last
	e.started = e.started[:n]
	for _, w := range e.workers {
		for len(w.queued) > 0 {
			if err := e.collect(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish waits for the end of the oldest step that was started, and tells what came of it. The blame goes into a slice of the caller's.
func (e *engine) finish(blame []float64) (outcome, error) {
	j := e.started[0]
	e.started = append(e.started[:0], e.started[1:]...)
	e.spare = append(e.spare, j)
	for _, w := range e.workers {
		for len(w.queued) > 0 && w.queued[0].job == j {
			if err := e.collect(w); err != nil {
				return outcome{}, err
			}
		}
	}
	if err := e.updater.squares(blame); err != nil {
		return outcome{}, err
	}
	t := j.total()
	return outcome{loss: t.loss, norm: normalise(blame), accuracy: share(t.right, t.of), tokens: t.tokens, blame: blame, wish: j.wish}, nil
}

// together says that other processes train too.
func (e *engine) together() bool { return e.group.Size() > 1 }

// normalise turns squared norms of parts into their shares of the whole, all 0 where the whole is, and returns the norm of the whole.
func normalise(squares []float64) float64 {
	var sum float64
	for _, s := range squares {
		sum += s
	}
	for i := range squares {
		if sum > 0 {
			squares[i] /= sum
		}
	}
	return math.Sqrt(sum)
}

// runsAhead says that a step can be begun before the last one is finished.
func (e *engine) runsAhead() bool { return e.workers[0].executor.Ahead() > 0 }

// last is the job that was finished last.
func (e *engine) last() *job { return e.spare[len(e.spare)-1] }

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
	var err error
	for _, w := range e.workers {
		if w.err != nil && (err == nil || err == errStopped) { // that a worker has stopped hides no error of another
			err = w.err
		}
	}
	return err
}

// shards yields a worker's part of each micro-batch, where it has one, of this rank's part: the places of sequences, and where in the batch the
// first of them is.
func (e *engine) shards(j *job, w int) iter.Seq2[int, []int] {
	return func(yield func(int, []int) bool) {
		for at := 0; at < len(j.batch); at += j.micro {
			begin, end := part(min(j.micro, len(j.batch)-at), e.group.Rank(), e.group.Size())
			lo, hi := part(end-begin, w, len(e.workers))
			first := at + begin + lo
			if lo < hi && !yield(first, j.batch[first:at+begin+hi]) {
				return
			}
		}
	}
}

// part is worker w's part of n sequences, lo to hi. The first worker has one of any number.
func part(n, w, workers int) (lo, hi int) {
	from := func(w int) int { return (n*w + workers - 1) / workers }
	return from(w), from(w + 1)
}

// forwardBackward is a worker's part of the job that was started last.
func (e *engine) forwardBackward(w, _ int) {
	j, me := e.started[len(e.started)-1], e.workers[w]
	me.err = nil
	of := 0
	for range e.shards(j, w) {
		of++
	}
	shards := 0
	for first, places := range e.shards(j, w) {
		if shards > 0 && !e.together() && e.stop != nil && e.stop() {
			me.err = errStopped
			return
		}
		e.fillShard(me, j, first, places)
		j.tallies[w].tokens += me.batch.Tokens()
		e.updater.expect(w, me.executor, shards == 0, shards == of-1)
		if me.err = me.executor.Start(&me.batch, model.Train, j.weight); me.err != nil {
			return
		}
		me.queued = append(me.queued, shard{j, places})
		for len(me.queued) > me.executor.Ahead() {
			if me.err = e.collect(me); me.err != nil {
				return
			}
		}
		if me.err = e.updater.keep(w, me.executor, shards == 0, of == 1); me.err != nil {
			return
		}
		shards++
	}
	if of == 0 {
		e.updater.expect(w, nil, true, true)
		me.err = e.updater.keep(w, nil, true, true)
	}
}

// fillShard makes the worker's batch of a shard, see shards.
func (e *engine) fillShard(me *worker, j *job, first int, places []int) {
	me.batch.Reset()
	if j.dropout != 0 {
		me.batch.Drop(j.dropout, first, e.model.Config.Context)
	}
	e.fill(me, places, j.all)
}

// fill adds the sequences at some places to the worker's batch, with the targets that count, or all.
func (e *engine) fill(me *worker, places []int, all bool) {
	for _, at := range places {
		s := e.data.sequence(at, &me.room)
		if all {
			s.answers = s.targets
		}
		me.batch.Add(s.inputs, s.answers)
	}
}

// collect takes the results of the worker's oldest shard into the tally of its job.
func (e *engine) collect(me *worker) error {
	s := me.queued[0]
	me.queued = append(me.queued[:0], me.queued[1:]...)
	r, err := me.executor.Result()
	if err != nil {
		return err
	}
	t := &s.job.tallies[me.index]
	t.loss += float64(r.Loss)
	hits := r.Hits
	for _, at := range s.places {
		all, wanted := e.data.wanted(at, s.job.all), e.data.wanted(at, false)
		right, of := e.data.right(hits[all-wanted : all])
		t.right, t.of, hits = t.right+right, t.of+of, hits[all:]
	}
	return nil
}

// firstNonFinite finds where in the batch that was finished last, whose outcome is not finite, a number stopped being so. Where every number
// of a batch is finite, it is the sum or the square of gradients that is not: of the stage with the largest.
func (e *engine) firstNonFinite(o outcome) (*model.NonFinite, error) {
	found, err := e.firstOfShards(e.last())
	if err != nil {
		return nil, err
	}
	if e.together() {
		if found, err = firstOfRanks(e.group, found); err != nil {
			return nil, err
		}
	}
	if found != nil {
		return found, nil
	}
	steepest := 0
	for stage, share := range o.blame {
		if share > o.blame[steepest] || math.IsNaN(share) {
			steepest = stage
		}
	}
	return &model.NonFinite{Stage: steepest, Backward: true}, nil
}

// firstOfShards looks through this rank's shards of a job.
func (e *engine) firstOfShards(j *job) (*model.NonFinite, error) {
	for w, me := range e.workers {
		for first, places := range e.shards(j, w) {
			e.fillShard(me, j, first, places)
			found, err := me.executor.FirstNonFinite(&me.batch, j.weight)
			if found != nil || err != nil {
				return found, err
			}
		}
	}
	return nil, nil
}

// close ends the threads.
func (e *engine) close() error {
	err := e.updater.close()
	for _, w := range e.workers {
		err = errors.Join(err, w.backend.Close())
	}
	return err
}
