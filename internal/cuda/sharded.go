package cuda

import (
	"iter"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/vm"
)

// Bucket is a part of the vector of all weights that ranks sum at once. The part of rank r is from Bounds[r] to Bounds[r+1], from Begin on, in
// elements.
type Bucket struct {
	Begin  int
	Bounds []int
}

// piece is a part of a parameter that one rank moves.
type piece struct {
	parameter, rank int
	begin, size     int // in the vector of all weights
	place           int // in the moments of its rank
}

// pieces returns those of all ranks, rank by rank. Without buckets there is one rank, and its moments lie as the weights do.
func pieces(parameters []Parameter, buckets []Bucket) []piece {
	var list []piece
	if buckets == nil {
		for i, p := range parameters {
			list = append(list, piece{parameter: i, begin: p.Begin, size: p.Size, place: p.Begin})
		}
		return list
	}
	for rank := range len(buckets[0].Bounds) - 1 {
		place := 0
		for _, b := range buckets {
			from, to := b.Begin+b.Bounds[rank], b.Begin+b.Bounds[rank+1]
			for i, p := range parameters {
				if begin, end := max(from, p.Begin), min(to, p.Begin+p.Size); begin < end {
					list = append(list, piece{i, rank, begin, end - begin, place + begin - from})
				}
			}
			place += to - from
		}
	}
	return list
}

// Reduce begins to sum bucket i over the ranks: of the gradient of a run, or with another run before it in this step of the sum of all. All
// ranks begin the same buckets in the same order, and then call AddReduced.
func (o *Optimizer) Reduce(i int, gradient vm.Memory, alone bool) error {
	b, bucket := o.backend, o.buckets[i]
	g := gradient.(*block).slice(4*bucket.Begin, 4*bucket.Bounds[b.ranks.size])
	if !alone {
		sum := o.sum.slice(4*bucket.Begin, g.size)
		if err := b.launch(kernels.Add(sum.at, sum.at, g.at, g.size/4)); err != nil {
			return err
		}
		g = sum
	}
	return b.beside(func(r *ranks) error { return r.ReduceScatter(r.stream, g.at, bucket.Bounds) })
}

// AddReduced is Add for the last run of a step, whose buckets were all given to Reduce.
func (o *Optimizer) AddReduced(gradient, loss vm.Memory, alone bool) error {
	if alone {
		return o.Add(gradient, loss, true, true)
	}
	l := loss.(*block)
	return o.backend.launch(kernels.Add(o.lossSum.at, o.lossSum.at, l.at, 1))
}

// ReduceNothing takes part in a step in which this rank has no run, with zeros. The buckets are summed in the order of Reduce on the others.
func (o *Optimizer) ReduceNothing(order iter.Seq[int]) error {
	if err := o.reserve(); err != nil {
		return err
	}
	b := o.backend
	if err := b.compute.Fill(o.sum.at, 0, o.sum.size/4); err != nil {
		return err
	}
	if err := b.compute.Fill(o.lossSum.at, 0, 1); err != nil {
		return err
	}
	o.gradient, o.loss = o.sum, o.lossSum
	for i := range order {
		if err := o.Reduce(i, o.sum, true); err != nil {
			return err
		}
	}
	return nil
}

// stepTogether queues a step of all ranks: each squares and moves what it owns.
func (o *Optimizer) stepTogether(g *updateGraph, move bool) error {
	b := o.backend
	if err := b.rejoin(); err != nil { // the sums of Reduce
		return err
	}
	// Each rank fills in its own squares and loss, and the sum over ranks has those of all.
	squares, n := o.squaresAt(), o.stretches+1
	if err := b.compute.Fill(squares, 0, n); err != nil {
		return err
	}
	if err := b.compute.Copy(squares+driver.Pointer(4*o.stretches), o.loss.at, 4); err != nil {
		return err
	}
	if err := g.measure.replay(b.compute); err != nil {
		return err
	}
	if err := b.beside(func(r *ranks) error { return r.AllReduce(r.stream, squares, n) }); err != nil {
		return err
	}
	if err := b.rejoin(); err != nil {
		return err
	}
	if err := g.update.replay(b.compute); err != nil || !move {
		return err
	}
	if err := o.spread(o.weights); err != nil {
		return err
	}
	return g.round.replay(b.compute)
}

// spread gives all ranks what each owns of a vector.
func (o *Optimizer) spread(vector *block) error {
	b := o.backend
	err := b.beside(func(r *ranks) error {
		for _, bucket := range o.buckets {
			if err := r.AllGather(r.stream, vector.at+driver.Pointer(4*bucket.Begin), bucket.Bounds); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.rejoin()
}

// SpreadGradient gives all ranks the whole gradient of the latest step, of which each has a part.
func (o *Optimizer) SpreadGradient() error { return o.spread(o.gradient) }
