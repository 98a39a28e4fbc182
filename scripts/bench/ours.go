package main

import (
	"runtime"
	"slices"
	"time"

	"trainer/train"
)

// ours is the trainer's side.
type ours struct{ *train.Trainer }

// steps takes n steps, and returns the batches that they trained on.
func (o ours) steps(n int) (*turn, [][]int, error) {
	t, batches := &turn{}, make([][]int, 0, n)
	for range n {
		begin := time.Now()
		m, err := o.Step()
		if err != nil {
			return nil, nil, err
		}
		t.Milliseconds = append(t.Milliseconds, 1e3*time.Since(begin).Seconds())
		t.Losses = append(t.Losses, m.Loss)
		batches = append(batches, slices.Clone(o.LastBatch()))
	}
	return t, batches, nil
}

// gflop is the arithmetic of a step on the batches, their mean, in units of a billion operations.
func (o ours) gflop(batches [][]int) float64 {
	sum := 0.0
	for _, b := range batches {
		sum += train.FLOP(o.Train, o.Model.Config, b)
	}
	return sum / float64(len(batches)) / 1e9
}

// allocations returns how many objects a step allocates, the median of n, and how many of the n allocated any: those that met a batch of a
// shape which came by for the first time and compiled the program for it.
func (o ours) allocations(n int) (objects float64, steps int, err error) {
	var before, after runtime.MemStats
	var counts []float64
	for range n {
		runtime.ReadMemStats(&before)
		if _, err := o.Step(); err != nil {
			return 0, 0, err
		}
		runtime.ReadMemStats(&after)
		count := float64(after.Mallocs - before.Mallocs)
		counts = append(counts, count)
		if count > 0 {
			steps++
		}
	}
	return median(counts), steps, nil
}

// median sorts the list.
func median(list []float64) float64 {
	slices.Sort(list)
	if n := len(list); n%2 == 0 {
		return (list[n/2-1] + list[n/2]) / 2
	}
	return list[len(list)/2]
}
