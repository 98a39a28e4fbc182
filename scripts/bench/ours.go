package main

import (
	"runtime"
	"slices"
	"time"

	"trainer/train"
)

// ours is the trainer's side.
type ours struct{ *train.Trainer }

// steps takes n steps.
func (o ours) steps(n int) (*turn, error) {
	t := &turn{}
	for range n {
		begin, cpu := time.Now(), processorTime()
		m, err := o.Step()
		if err != nil {
			return nil, err
		}
		t.Milliseconds = append(t.Milliseconds, 1e3*time.Since(begin).Seconds())
		t.CPU = append(t.CPU, 1e3*(processorTime()-cpu).Seconds())
		t.Losses = append(t.Losses, m.Loss)
		t.Places = append(t.Places, slices.Clone(o.LastBatch()))
	}
	return t, nil
}

// gflop is the arithmetic of a step on the sequences at some places, a mean over steps, in units of a billion operations.
func (o ours) gflop(places [][]int) float64 {
	sum := 0.0
	for _, list := range places {
		sum += train.FLOP(o.Train, o.Model.Config, list)
	}
	return sum / float64(len(places)) / 1e9
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
