package train

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"trainer/train/examples"
)

// newDeck returns a sampler of examples, each with its weight.
func newDeck(weights []int, seed uint64) *sampler {
	d, o := &Dataset{}, Options{Seed: seed, Repeats: make(map[string]int)}
	for i, w := range weights {
		operation := strconv.Itoa(i)
		d.Examples, o.Repeats[operation] = append(d.Examples, examples.Example{Operation: operation}), w
	}
	return newSampler(d, &o)
}

// even are n weights of 1.
func even(n int) []int { return slices.Repeat([]int{1}, n) }

// drawn returns the next n examples.
func drawn(s *sampler, n int) []int {
	list := make([]int, n)
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
		s := newDeck(weights, random.Uint64())
		var dealt []int
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
	a, b := newDeck(even(30), 1), newDeck(even(30), 2)
	first, second, other := drawn(a, 30), drawn(a, 30), drawn(b, 30)
	if slices.Equal(first, second) {
		t.Error("two epochs have one order")
	}
	if slices.Equal(first, other) {
		t.Error("two seeds have one order")
	}
	if !slices.Equal(drawn(newDeck(even(30), 1), 30), first) {
		t.Error("one seed has two orders")
	}
}

func TestAResumedRunFindsTheOrderThatWasRecorded(t *testing.T) {
	// If this order changes, a run that is resumed repeats some examples of its epoch and misses others.
	want := []int{3, 6, 2, 1, 4, 5, 7, 0}
	if got := drawn(newDeck(even(8), 1), 8); !slices.Equal(got, want) {
		t.Errorf("epoch 0 of seed 1 is %v, want %v", got, want)
	}
}

func TestSeekEqualsHavingDrawn(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		n, seed := 1+random.IntN(20), random.Uint64()
		weights := make([]int, n)
		for i := range weights {
			weights[i] = 1 + i%3
		}
		a, b := newDeck(weights, seed), newDeck(weights, seed)
		drawn(a, random.IntN(100))
		b.seek(a.epoch, a.next)
		if x, y := drawn(a, 50), drawn(b, 50); !slices.Equal(x, y) {
			t.Fatalf("behind position %d of epoch %d come %v, after a seek %v", a.next, a.epoch, x, y)
		}
	}
}
