package train

import (
	"encoding/binary"
	"fmt"
	"math"

	"trainer/internal/collective"
	"trainer/internal/cuda"
	"trainer/internal/vm"
	"trainer/model"
)

// gpuGroupUpdater ends the steps of several processes that train together, each on a GPU. Gradients and weights go from GPU to GPU, in the order
// of groupUpdater, and no host waits for them. What a host is told of a step, one step later, it tells the others.
type gpuGroupUpdater struct {
	*gpuUpdater
	group     collective.Communicator
	partition *partition

	live   bool   // the worker runs the last shard of the step, whose gradients are final
	single bool   // and has no other
	final  []bool // by bucket: its gradient is
	next   int    // the bucket to be summed next, from the last one down, whatever the order in which this rank's program has them
	failed error  // of a sum
	jobs   []*job // of updates that squares has not been asked for, oldest first
}

func newGPUGroupUpdater(u *gpuUpdater, p *partition, group collective.Communicator) *gpuGroupUpdater {
	return &gpuGroupUpdater{gpuUpdater: u, group: group, partition: p, final: make([]bool, len(p.buckets)), next: -1}
}

// cudaBuckets are those of the partition, for the optimizer.
func (u *gpuGroupUpdater) cudaBuckets() []cuda.Bucket {
	var list []cuda.Bucket
	for i := range u.partition.buckets {
		list = append(list, cuda.Bucket{Begin: u.partition.buckets[i].Begin, Bounds: u.partition.buckets[i].bounds})
	}
	return list
}

// watch has the executor tell of the buckets.
func (u *gpuGroupUpdater) watch(x *model.Executor) {
	x.Watch(u.partition.stretches(), func(bucket int, gradient vm.Memory) {
		if !u.live {
			return
		}
		u.final[bucket] = true
		for ; u.next >= 0 && u.final[u.next]; u.next-- {
			if u.failed == nil {
				u.failed = u.optimizer.Reduce(u.next, gradient, u.single)
			}
		}
	})
}

func (u *gpuGroupUpdater) expect(_ int, x *model.Executor, first, last bool) {
	u.live, u.single = last, first
	if !last {
		return
	}
	clear(u.final)
	u.next = len(u.final) - 1
	if x == nil {
		u.failed = u.optimizer.ReduceNothing(func(yield func(int) bool) {
			for ; u.next >= 0 && yield(u.next); u.next-- {
			}
		})
	}
}

func (u *gpuGroupUpdater) keep(w int, x *model.Executor, first, alone bool) error {
	if !u.live {
		return u.gpuUpdater.keep(w, x, first, alone)
	}
	u.live = false // other runs may come, of an evaluation or of an example that is followed
	if u.failed != nil || x == nil {
		return u.failed
	}
	if u.next >= 0 {
		panic(fmt.Sprintf("train: a backward pass has ended without telling of bucket %d of %d", u.next, len(u.final)))
	}
	gradients, loss := x.Gradient()
	return u.optimizer.AddReduced(gradients, loss, u.single)
}

func (u *gpuGroupUpdater) update(j *job) error {
	u.jobs = append(u.jobs, j)
	return u.gpuUpdater.update(j)
}

// squares tells, besides the squares, of which all ranks have the same, its job what all ranks have found.
func (u *gpuGroupUpdater) squares(stages []float64) error {
	j := u.jobs[0]
	u.jobs = append(u.jobs[:0], u.jobs[1:]...)
	if err := u.gpuUpdater.squares(stages); err != nil {
		return err
	}
	reports, err := collective.Exchange(u.group, j.appendReport(nil))
	if err != nil {
		return err
	}
	clear(j.tallies)
	for _, r := range reports {
		j.addReport(func() float64 {
			v := math.Float64frombits(binary.LittleEndian.Uint64(r))
			r = r[8:]
			return v
		})
	}
	return nil
}

func (u *gpuGroupUpdater) gradient() ([]float32, error) {
	if err := u.optimizer.SpreadGradient(); err != nil {
		return nil, err
	}
	return u.gpuUpdater.gradient()
}
