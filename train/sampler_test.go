package train

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// drawn returns the next n examples.
func drawn(s *sampler, n int) []int32 {
	list := make([]int32, n)
	s.draw(list)
	return list
}

func TestEveryEpochDealsEachExampleAsOftenAsItsWeight(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		weights := make([]int, 1+random.IntN(40))
		deck := 0
		for i := range weights {
			weights[i] = 1 + random.IntN(4)
			deck += weights[i]
		}
		s := newSampler(len(weights), func(i int) int { return weights[i] }, random.Uint64())
		var dealt []int32
		for len(dealt) < 3*deck {
			// Batches of any size, larger than an epoch too, cross its end.
			dealt = append(dealt, drawn(s, 1+random.IntN(2*deck))...)
		}
		for epoch := range 3 {
			count := make([]int, len(weights))
			for _, i := range dealt[epoch*deck : (epoch+1)*deck] {
				count[i]++
			}
			if !slices.Equal(count, weights) {
				t.Fatalf("epoch %d dealt the examples %v times, want %v", epoch, count, weights)
			}
		}
		if got, want := s.epochs(), float64(len(dealt))/float64(deck); !near(got, want, 1e-12) {
			t.Fatalf("%g epochs dealt, want %g", got, want)
		}
	}
}

func TestEpochsAndSeedsHaveOrdersOfTheirOwn(t *testing.T) {
	one := func(int) int { return 1 }
	a, b := newSampler(30, one, 1), newSampler(30, one, 2)
	first, second, other := drawn(a, 30), drawn(a, 30), drawn(b, 30)
	if slices.Equal(first, second) {
		t.Error("two epochs have one order")
	}
	if slices.Equal(first, other) {
		t.Error("two seeds have one order")
	}
	if !slices.Equal(drawn(newSampler(30, one, 1), 30), first) {
		t.Error("one seed has two orders")
	}
}

func TestAResumedRunFindsTheOrderThatWasRecorded(t *testing.T) {
	// If this order changes, a run that is resumed repeats some examples of its epoch and misses others.
	want := []int32{3, 6, 2, 1, 4, 5, 7, 0}
	if got := drawn(newSampler(8, func(int) int { return 1 }, 1), 8); !slices.Equal(got, want) {
		t.Errorf("epoch 0 of seed 1 is %v, want %v", got, want)
	}
}

func TestSeekEqualsHavingDrawn(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		n, seed := 1+random.IntN(20), random.Uint64()
		weight := func(i int) int { return 1 + i%3 }
		a, b := newSampler(n, weight, seed), newSampler(n, weight, seed)
		drawn(a, random.IntN(100))
		b.seek(a.epoch, a.next)
		if x, y := drawn(a, 50), drawn(b, 50); !slices.Equal(x, y) {
			t.Fatalf("behind position %d of epoch %d come %v, after a seek %v", a.next, a.epoch, x, y)
		}
	}
}
