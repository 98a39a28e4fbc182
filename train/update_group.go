package train

import (
	"encoding/binary"
	"math"
	"sync"

	"trainer/internal/collective"
	"trainer/internal/team"
	"trainer/internal/vm"
	"trainer/model"
)

// groupUpdater ends the steps of several processes that train together. The gradient of each bucket is summed over the ranks as soon as the
// backward pass has come by it, while that goes on; each rank moves the weights that it owns, with the only copy of the optimizer's state for
// them (ZeRO stage 1, Rajbhandari et al. 2020, section 5.1), and hands them to the others.
//
//	backward: bucket n final -> ReduceScatter n ... -> norm and outcome of all ranks -> clip, move the own weights -> AllGather
//
// Sums have the order of workers, then of ranks, so N processes of one thread come to the bits of one process with N threads.
type groupUpdater struct {
	*hostUpdater
	group collective.Communicator

	mutex  sync.Mutex           // guards what follows, and gradients, while workers run
	live   []bool               // by worker: it runs its last shard of the step, whose gradients are final
	single []bool               // by worker: it has no other
	left   []int                // by bucket: workers whose gradient of it is not final
	next   int                  // the bucket to be summed next, from the last one down, as the backward pass comes by
	adding []collective.Request // sums that are on their way
	empty  []float32            // the gradient of a rank without a sequence

	measurement []team.Phase
	spreading   []collective.Request // gathers that are on their way
	reports     []byte               // what each rank has found in a step
	bounds      []int                // of reports
}

// newGroupUpdater returns an updater for ranks that train together.
func newGroupUpdater(h *hostUpdater, group collective.Communicator) *groupUpdater {
	workers := len(h.gradients)
	u := &groupUpdater{hostUpdater: h, group: group, live: make([]bool, workers), single: make([]bool, workers),
		left: make([]int, len(h.partition.buckets)), bounds: []int{0}}
	sizes := make([]int, group.Size()) // of the reports, in numbers
	for i := range h.partition.blocks {
		sizes[h.partition.blocks[i].owner]++
	}
	for rank, blocks := range sizes {
		u.bounds = append(u.bounds, u.bounds[rank]+8*(reportHead+blocks))
	}
	u.reports = make([]byte, u.bounds[group.Size()])
	u.measurement = []team.Phase{u.measure}
	u.rewind()
	return u
}

// rewind makes the updater ready for a step.
func (u *groupUpdater) rewind() {
	for i := range u.left {
		u.left[i] = len(u.gradients)
	}
	u.next, u.adding = len(u.left)-1, u.adding[:0]
}

// watch has a worker's executor tell of the buckets.
func (u *groupUpdater) watch(w int, x *model.Executor) {
	x.Watch(u.partition.stretches(), func(bucket int, gradient vm.Memory) {
		if u.live[w] {
			u.final(w, bucket, vm.Float32s(gradient.Host())[:len(u.model.Weights)])
		}
	})
}

func (u *groupUpdater) expect(w int, x *model.Executor, first, last bool) {
	u.live[w], u.single[w] = last, first
	if x == nil {
		for bucket := range u.left {
			u.final(w, bucket, nil)
		}
	}
}

func (u *groupUpdater) keep(w int, x *model.Executor, first, alone bool) error {
	if u.live[w] {
		return nil // final has
	}
	return u.hostUpdater.keep(w, x, first, alone)
}

// final takes a worker's gradient of a bucket, nil of one that has no sequence. The last worker adds up those of all.
func (u *groupUpdater) final(w, bucket int, gradient []float32) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	b := u.partition.buckets[bucket]
	if gradient != nil && !u.single[w] {
		sum := u.sums[w]
		u.kernels.Add(sum[b.Begin:b.End], sum[b.Begin:b.End], gradient[b.Begin:b.End])
		gradient = sum
	}
	u.gradients[w] = gradient
	if u.left[bucket]--; u.left[bucket] > 0 {
		return
	}
	u.add(b.Stretch)
	for u.next >= 0 && u.left[u.next] == 0 {
		b := &u.partition.buckets[u.next]
		u.adding = append(u.adding, u.group.ReduceScatter(u.gradients[0][b.Begin:b.End], b.bounds))
		u.next--
	}
}

// add adds the gradients of a stretch into that of worker 0.
func (u *groupUpdater) add(s model.Stretch) {
	if u.gradients[0] != nil {
		u.addWorkers(s.Begin, s.End)
		return
	}
	if u.empty == nil { // no worker has a gradient
		u.empty = vm.AlignedFloat32s(len(u.model.Weights))
	}
	clear(u.empty[s.Begin:s.End])
	u.gradients[0] = u.empty
}

func (u *groupUpdater) update(j *job) error {
	if err := collective.All(u.adding); err != nil {
		return err
	}
	u.rewind()
	u.team.Run(u.measurement)
	if err := u.exchange(j); err != nil {
		return err
	}
	if !u.advance(j) {
		return nil
	}
	return u.spread(u.model.Weights)
}

// measure squares the sum.
func (u *groupUpdater) measure(thread, _ int) {
	for _, b := range u.blocks[thread] {
		u.blockSums[b.index] = u.kernels.SumSquares(u.gradients[0][b.begin:b.end])
	}
}

// spread gives all ranks what each owns of a vector.
func (u *groupUpdater) spread(vector []float32) error {
	u.spreading = u.spreading[:0]
	for i := range u.partition.buckets {
		b := &u.partition.buckets[i]
		u.spreading = append(u.spreading, u.group.AllGather(vm.Bytes(vector[b.Begin:b.End]), b.inBytes))
	}
	return collective.All(u.spreading)
}

// exchange brings together what the ranks have found: the job then has the tally of all, and blockSums those of all blocks.
func (u *groupUpdater) exchange(j *job) error {
	rank := u.group.Rank()
	mine := j.appendReport(u.reports[u.bounds[rank]:u.bounds[rank]])
	for i := range u.partition.blocks {
		if u.partition.blocks[i].owner == rank {
			mine = binary.LittleEndian.AppendUint64(mine, math.Float64bits(u.blockSums[i]))
		}
	}
	if err := u.group.AllGather(u.reports, u.bounds).Wait(); err != nil {
		return err
	}
	clear(j.tallies)
	next := make([]int, u.group.Size()) // place in each report
	read := func(rank int) float64 {
		v := math.Float64frombits(binary.LittleEndian.Uint64(u.reports[u.bounds[rank]+8*next[rank]:]))
		next[rank]++
		return v
	}
	for r := range u.group.Size() {
		j.addReport(func() float64 { return read(r) })
	}
	for i := range u.partition.blocks {
		u.blockSums[i] = read(u.partition.blocks[i].owner)
	}
	return nil
}

// gradient is the sum, of which each rank has a part.
func (u *groupUpdater) gradient() ([]float32, error) {
	return u.gradients[0], u.spread(u.gradients[0])
}
