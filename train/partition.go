package train

import (
	"iter"
	"slices"

	"trainer/internal/vm"
	"trainer/model"
)

// block is a piece of a parameter: what one thread sums and updates at a time. Its size does not depend on the number of threads or ranks,
// and neither do the sums over blocks.
type block struct {
	index, begin, end int // the elements of model.Weights
	owner, place      int // the rank that moves it, and where it begins in the state of its optimizer
	stage             int
	matrix            bool
	whole             bool // is updated with the rest of its matrix
}

// blockSize is about the half of a first-level cache in weights, gradients and moments.
const blockSize = 2048

// bucket is a stretch of the gradient that the ranks add up at once, while the backward pass goes on with those before it. Of each bucket
// every rank owns a part: it updates these weights, and has the optimizer's state for them.
type bucket struct {
	model.Stretch
	bounds  []int // by rank: where its part begins, from Begin on; one more for the end
	inBytes []int // the same
}

// part is what a rank owns of the bucket.
func (b *bucket) part(rank int) model.Stretch {
	return model.Stretch{Begin: b.Begin + b.bounds[rank], End: b.Begin + b.bounds[rank+1]}
}

// partition says which rank owns which weights. One process owns all.
type partition struct {
	rank, ranks int
	blocks      []block // of all ranks, in order
	buckets     []bucket
	size        int // of the optimizer's state on this rank, in elements
}

// The size of a bucket, in weights. A large one uses the network well, a small one is on its way early: with a 16th of the model, no more than
// that is left to be sent when the backward pass has ended.
const (
	leastBucket = 64 << 10
	mostBucket  = 4 << 20
)

// newPartition divides a model among ranks. With whole, no matrix of a block of the transformer is divided, and buckets are large enough
// for one on each rank.
func newPartition(m *model.Model, rank, ranks int, whole bool) *partition {
	p := &partition{rank: rank, ranks: ranks}
	target := min(max(leastBucket, len(m.Weights)/16), mostBucket)
	var cuts []int // where the vector may be divided
	for i := range m.Parameters {
		q := &m.Parameters[i]
		undivided := whole && isHidden(q, m.Stages)
		if undivided {
			target = max(target, ranks*q.Size())
		}
		for at := 0; at < q.Size(); at += blockSize {
			begin := q.Begin + at
			p.blocks = append(p.blocks, block{index: len(p.blocks), begin: begin, end: begin + min(blockSize, q.Size()-at),
				stage: q.Stage, matrix: q.IsMatrix(), whole: undivided})
			if at == 0 || !undivided {
				cuts = append(cuts, begin)
			}
		}
	}
	cuts = append(cuts, len(m.Weights))
	begin := 0
	for i, at := range cuts[1:] {
		if at-cuts[begin] >= target || at == len(m.Weights) {
			p.buckets = append(p.buckets, newBucket(cuts[begin], nearest(cuts[begin:i+2], ranks)))
			begin = i + 1
		}
	}
	p.count()
	for i := range p.blocks {
		b := &p.blocks[i]
		b.owner, b.place = p.find(b.begin)
	}
	return p
}

// count finds how much of the optimizer's state this rank has.
func (p *partition) count() {
	for part := range p.own() {
		p.size += part.End - part.Begin
	}
}

// newEvenPartition divides a model among ranks without regard to parameters and blocks, into equal parts as far as that goes: libraries of GPUs sum
// these best.
func newEvenPartition(m *model.Model, rank, ranks int) *partition {
	const unit = 16 // elements at which a part may begin: kernels and libraries read 16 bytes and more at once
	n := len(m.Weights)
	equal := func(n int) int { return (n + ranks*unit - 1) / (ranks * unit) * unit } // part of n elements, the last one may be less
	usual := equal(min(max(leastBucket, n/16), mostBucket))
	p := &partition{rank: rank, ranks: ranks}
	for begin, size := 0, usual; begin < n; begin += ranks * size {
		left := n - begin
		if 2*left < 3*ranks*usual { // too little for another bucket behind this one
			size = equal(left)
		}
		var bounds []int
		for r := range ranks + 1 {
			bounds = append(bounds, min(r*size, left))
		}
		p.buckets = append(p.buckets, newBucket(begin, bounds))
	}
	p.count()
	return p
}

// newBucket returns the bucket from an element on that is divided at some bounds.
func newBucket(begin int, bounds []int) bucket {
	b := bucket{Stretch: model.Stretch{Begin: begin, End: begin + bounds[len(bounds)-1]}, bounds: bounds}
	for _, at := range bounds {
		b.inBytes = append(b.inBytes, vm.Float32.Size()*at)
	}
	return b
}

// nearest divides what is from the first of some cuts to the last at those that come nearest to equal parts.
func nearest(cuts []int, ranks int) (bounds []int) {
	first, last := cuts[0], cuts[len(cuts)-1]
	bounds = make([]int, ranks+1)
	bounds[ranks] = last - first
	for r := 1; r < ranks; r++ {
		ideal := first + r*(last-first)/ranks
		i, _ := slices.BinarySearch(cuts, ideal)
		if i > 0 && ideal-cuts[i-1] < cuts[i]-ideal {
			i--
		}
		bounds[r] = cuts[i] - first
	}
	return bounds
}

// own yields the stretches that this rank owns, in order, and where each begins in its optimizer's state.
func (p *partition) own() iter.Seq2[model.Stretch, int] {
	return func(yield func(model.Stretch, int) bool) {
		place := 0
		for i := range p.buckets {
			part := p.buckets[i].part(p.rank)
			if part.Begin < part.End && !yield(part, place) {
				return
			}
			place += part.End - part.Begin
		}
	}
}

// find returns the rank that owns an element, and its place in the state of that rank's optimizer.
func (p *partition) find(at int) (owner, place int) {
	in, _ := slices.BinarySearchFunc(p.buckets, at, func(b bucket, at int) int { return b.End - 1 - at })
	b := &p.buckets[in]
	for b.part(owner).End <= at {
		owner++
	}
	for i := range in {
		part := p.buckets[i].part(owner)
		place += part.End - part.Begin
	}
	return owner, place + at - b.part(owner).Begin
}

// take copies what this rank owns of a stretch of a vector, which begins at an element, into its optimizer's state.
func (p *partition) take(state, values []float32, begin int) {
	for part, place := range p.own() {
		from, to := max(part.Begin, begin), min(part.End, begin+len(values))
		if from < to {
			copy(state[place+from-part.Begin:], values[from-begin:to-begin])
		}
	}
}

// stretches are those of the buckets.
func (p *partition) stretches() []model.Stretch {
	var list []model.Stretch
	for i := range p.buckets {
		list = append(list, p.buckets[i].Stretch)
	}
	return list
}
