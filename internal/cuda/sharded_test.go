package cuda_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"trainer/internal/collective"
	"trainer/internal/cuda"
	"trainer/internal/cuda/emulated"
	"trainer/internal/vm"
)

// onRanks runs a function on a backend of each rank, joined to the others, each in a goroutine. Every one has a GPU of its own, of which a machine
// may have one alone.
func onRanks(t *testing.T, ranks int, o emulated.Options, run func(b *cuda.Backend, rank int)) {
	t.Helper()
	needsEmulator(t)
	var all sync.WaitGroup
	for rank, group := range collective.Local(ranks) {
		b := open(t, o, cuda.Options{})
		all.Go(func() {
			if err := b.Join(group); err != nil {
				t.Error(err)
				group.Abort(1)
				return
			}
			run(b, rank)
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// division are buckets of the vector that cut through tensors, and of which a rank has nothing.
func division(ranks int) []cuda.Bucket {
	if ranks == 2 {
		return []cuda.Bucket{{Begin: 0, Bounds: []int{0, 1024, 2048}}, {Begin: 2048, Bounds: []int{0, 2672, 2672}}}
	}
	return []cuda.Bucket{{Begin: 0, Bounds: []int{0, 0, 4608, 4608}}, {Begin: 4608, Bounds: []int{0, 48, 96, 112}}}
}

func TestRanksTakeTheStepsOfOneOptimizerEachWithItsPart(t *testing.T) {
	rule := cuda.Rule{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, Clip: 0.5}
	for _, ranks := range []int{2, 3} {
		for seed := range uint64(3) {
			alone := open(t, emulated.Options{}, cuda.Options{})
			weights := numbers(vector, 1)
			o, err := alone.NewOptimizer(weights, [][]float32{vm.AlignedFloat32s(vector), vm.AlignedFloat32s(vector)}, tensors, rule)
			if err != nil {
				t.Fatal(err)
			}
			want := make([]cuda.Report, 3)
			for step := range want {
				for rank := range ranks {
					g, l := memoryOf(t, alone, numbers(vector, 5*step+rank)), memoryOf(t, alone, []float32{1})
					if err := o.Add(g, l, rank == 0, false); err != nil {
						t.Fatal(err)
					}
				}
				if err := o.Step(1e-2, true); err != nil {
					t.Fatal(err)
				}
				want[step] = reports(t, alone, o)
				want[step].Squares = slices.Clone(want[step].Squares)
			}
			if err := alone.Fetch(vm.Bytes(weights)); err != nil {
				t.Fatal(err)
			}
			buckets := division(ranks)
			onRanks(t, ranks, emulated.Options{Seed: seed}, func(b *cuda.Backend, rank int) {
				own := 0
				for _, bucket := range buckets {
					own += bucket.Bounds[rank+1] - bucket.Bounds[rank]
				}
				mine, moments := numbers(vector, 1), [][]float32{vm.AlignedFloat32s(own + 1), vm.AlignedFloat32s(own + 1)}
				o, err := b.NewShardedOptimizer(mine, moments, tensors, rule, buckets)
				if err != nil {
					t.Error(err)
					return
				}
				for step := range want {
					if err := together(t, b, o, step, rank, len(buckets)); err != nil {
						t.Errorf("rank %d: %v", rank, err)
						return
					}
					got := reports(t, b, o)
					if !close64(got.Norm, want[step].Norm) || got.Failed != 0 {
						t.Errorf("seed %d, step %d: rank %d of %d reports %+v, want %+v", seed, step, rank, ranks, got, want[step])
					}
					for i, s := range got.Squares {
						if !close64(s, want[step].Squares[i]) {
							t.Errorf("seed %d, step %d: rank %d of %d has the square %g of tensor %d, want %g", seed, step, rank, ranks, s, i, want[step].Squares[i])
						}
					}
				}
				if err := b.Fetch(vm.Bytes(mine)); err != nil {
					t.Error(err)
				}
				for i, w := range weights {
					if d := mine[i] - w; d > 1e-6 || d < -1e-6 {
						t.Errorf("seed %d: weight %d of rank %d of %d is %g, want %g", seed, i, rank, ranks, mine[i], w)
						return
					}
				}
			})
			if err := alone.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// together takes a step of a rank: in step 1 rank 0 has two runs, of which the first adds zeros.
func together(t *testing.T, b *cuda.Backend, o *cuda.Optimizer, step, rank, buckets int) error {
	numbers, first := numbers(vector, 5*step+rank), numbers(vector, 5*step+rank)
	loss := memoryOf(t, b, []float32{1})
	down := func(yield func(int) bool) {
		for i := buckets - 1; i >= 0 && yield(i); i-- {
		}
	}
	alone := true
	if step == 1 && rank == 0 {
		for i := range numbers {
			first[i] = 0
		}
		if err := o.Add(memoryOf(t, b, first), loss, true, false); err != nil {
			return err
		}
		alone = false
	}
	g := memoryOf(t, b, numbers)
	for i := range down {
		if err := o.Reduce(i, g, alone); err != nil {
			return err
		}
	}
	if err := o.AddReduced(g, loss, alone); err != nil {
		return fmt.Errorf("step %d: %w", step, err)
	}
	return o.Step(1e-2, true)
}

func close64(a, b float64) bool { d := a - b; return d <= 1e-5*b && -d <= 1e-5*b }

func TestALossThatIsNotFiniteOnOneRankStopsAll(t *testing.T) {
	nan := float32(0)
	nan /= nan
	onRanks(t, 2, emulated.Options{}, func(b *cuda.Backend, rank int) {
		weights := numbers(vector, 1)
		before := slices.Clone(weights)
		o, err := b.NewShardedOptimizer(weights, nil, tensors, cuda.Rule{SGD: true}, division(2))
		if err != nil {
			t.Error(err)
			return
		}
		loss := []float32{1}
		if rank == 1 {
			loss[0] = nan
		}
		g, l := memoryOf(t, b, numbers(vector, 2)), memoryOf(t, b, loss)
		for _, i := range []int{1, 0} {
			if err := o.Reduce(i, g, true); err != nil {
				t.Error(err)
			}
		}
		if err := o.AddReduced(g, l, true); err != nil {
			t.Error(err)
		}
		if err := o.Step(1, true); err != nil {
			t.Error(err)
		}
		if r := reports(t, b, o); r.Failed != 1 {
			t.Errorf("rank %d reports %+v, want that step 1 has failed", rank, r)
		}
		if err := b.Fetch(vm.Bytes(weights)); err != nil || !slices.Equal(weights, before) {
			t.Errorf("rank %d has moved weights, or %v", rank, err)
		}
	})
}
