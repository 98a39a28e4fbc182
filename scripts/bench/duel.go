package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"trainer/internal/cpu/kernel"
	"trainer/internal/peak"
)

// examplesATurn is how many examples a side trains on before it is the other's turn: some hundred milliseconds at any batch size.
const examplesATurn = 8192

// unhurried is how many steps at the start of a turn are not counted: they find the caches and the clock as the other side left them.
const unhurried = 2

// steps is a line of the report: a batch size.
type steps struct {
	Batch         int                `json:"batch"`
	Ours          float64            `json:"ours_ms"`
	Peer          map[string]float64 `json:"pytorch_ms,omitempty"` // by mode
	Ratio         float64            `json:"ratio,omitempty"`      // of the peer's best mode to ours
	Target        float64            `json:"target_ratio"`
	GFLOP         float64            `json:"gflop"` // of a step
	PeakShare     float64            `json:"share_of_peak"`
	Allocations   float64            `json:"allocations_per_step"`
	Compiling     int                `json:"steps_that_compiled"` // of the last allocationSteps
	LossDeviation float64            `json:"loss_deviation"`      // the largest between the sides in the first steps, relative

	peak float64 // best speed of matrix products on all threads between the turns, in operations a second
}

const allocationSteps = 100

// targets are the ratios that the project sets itself.
var targets = map[int]float64{64: 3, 256: 2.5, 1024: 2.5}

// duel trains in turns at one batch size. Without a peer, ours runs alone.
func duel(ctx context.Context, w *workload, p *peer, batch int, a *arguments) (*steps, error) {
	trainer, err := w.newTrainer(batch, a.threads)
	if err != nil {
		return nil, err
	}
	defer trainer.Close()
	us, n := ours{trainer}, examplesATurn/batch
	row := &steps{Batch: batch, Target: targets[batch]}
	times := make(map[string][]float64)
	for round := range a.rounds + 1 { // round 0 compiles programs, and shows that both sides compute the same
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		mine, err := us.steps(n)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			times["ours"] = append(times["ours"], mine.Milliseconds[unhurried:]...)
		}
		row.GFLOP, row.peak = us.gflop(mine.Places), max(row.peak, peak.GEMM(a.threads, kernel.Best()))
		if p == nil {
			continue
		}
		batches := w.rectangles(mine.Places)
		for _, mode := range modes(a) {
			theirs, err := p.steps(mode, batch, batches)
			if err != nil {
				return nil, err
			}
			if round > 0 {
				times[mode] = append(times[mode], theirs.Milliseconds[unhurried:]...)
			} else if row.LossDeviation, err = deviation(fmt.Sprintf("batch %d", batch), mode, mine, theirs, 1e-3); err != nil {
				return nil, err
			}
		}
		time.Sleep(rest)
	}
	row.Ours = median(times["ours"])
	if p != nil {
		row.Peer = make(map[string]float64)
		best := math.Inf(1)
		for _, mode := range modes(a) {
			row.Peer[mode] = median(times[mode])
			best = min(best, row.Peer[mode])
		}
		row.Ratio = best / row.Ours
	}
	row.Allocations, row.Compiling, err = us.allocations(allocationSteps)
	return row, err
}

// rest is a pause after PyTorch's turn: the threads of OpenMP spin for a while before they sleep.
const rest = 20 * time.Millisecond

func modes(a *arguments) []string {
	if a.compiled {
		return []string{"eager", "fused", "compiled"}
	}
	return []string{"eager", "fused"}
}

// deviation holds the losses of the first steps, from the same weights on the same examples, against each other, and returns the largest
// relative difference. What rounding does to them grows with the steps, so only a few are looked at.
func deviation(row, mode string, mine, theirs *turn, tolerance float64) (largest float64, err error) {
	const first = 5
	for i := range min(first, len(mine.Losses)) {
		d := math.Abs(mine.Losses[i]-theirs.Losses[i]) / theirs.Losses[i]
		if !(d <= tolerance) {
			return 0, fmt.Errorf("%s, step %d: our loss is %g, that of PyTorch (%s) %g: the two do not compute the same, and times mean nothing",
				row, i+1, mine.Losses[i], mode, theirs.Losses[i])
		}
		largest = max(largest, d)
	}
	return largest, nil
}
