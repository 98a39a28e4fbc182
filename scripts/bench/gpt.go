package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"trainer/internal/device"
	"trainer/internal/peak"
	"trainer/model"
	"trainer/train"
)

// gpt is a model whose training step on random tokens is timed.
type gpt struct {
	config     model.Config // but for the context
	batch      int          // sequences
	lengths    []int        // of the sequences, which is the context
	precisions []string
	steps      int                // in a turn
	targets    map[string]float64 // ratios that the project sets itself, by precision and length
}

// gpts are the models by name: GPT-2 of 124 million weights, and the one on letters that nanoGPT trains on a CPU.
var gpts = map[string]gpt{
	"gpt2": {
		config: gptConfig(50257, 768, 12, 12),
		batch:  4, lengths: []int{64, 256}, precisions: device.Precisions, steps: 3,
		targets: map[string]float64{"f32 64": 1.25, "f32 256": 1.15, "bf16 64": 1.15, "bf16 256": 1.15},
	},
	"char": {
		config: gptConfig(65, 128, 4, 4),
		batch:  12, lengths: []int{64}, precisions: device.Precisions[:1], steps: 12,
		targets: map[string]float64{"f32 64": 3},
	},
}

// gptConfig returns a GPT-2 of some size.
func gptConfig(vocabulary, width, layers, heads int) model.Config {
	c := model.Calculator(vocabulary)
	c.Width, c.Layers, c.Heads, c.MLPWidth, c.TiedHead = width, layers, heads, 4*width, true
	return c
}

// settings returns what both sides train: sequences of a length, in a precision.
func (g *gpt) settings(length int, precision string, threads int) (model.Config, train.Options) {
	c := g.config
	c.Context = length
	o := train.Calculator()
	o.Repeats, o.LearningRate, o.WeightDecay = nil, 1e-4, 0.1
	o.Schedule, o.WarmUp = "constant", 0 // a schedule changes no time
	o.Batch, o.Precision, o.Threads = g.batch, precision, threads
	return c, o
}

// gptRow is a line of the report: a length and a precision.
type gptRow struct {
	Length        int                 `json:"length"`
	Precision     string              `json:"precision"`
	Ours          gptTime             `json:"ours"`
	Peer          map[string]*gptTime `json:"pytorch,omitempty"` // by mode
	LLMC          *gptTime            `json:"llmc,omitempty"`
	Ratio         float64             `json:"ratio,omitempty"` // of the peer's best mode to ours
	CPURatio      float64             `json:"cpu_ratio,omitempty"`
	Target        float64             `json:"target_ratio,omitempty"`
	GFLOP         float64             `json:"gflop"` // of a step
	Peak          float64             `json:"peak_gflops_per_thread"`
	PeakShare     float64             `json:"share_of_peak"`     // by the time that passed
	CPUPeakShare  float64             `json:"cpu_share_of_peak"` // by the time of the processor
	LossDeviation float64             `json:"loss_deviation"`    // the largest between the sides in the first steps, relative

	firstLoss float64 // ours
}

// gptTime is what one side takes.
type gptTime struct {
	Step   float64 `json:"step_ms"`      // median
	CPU    float64 `json:"cpu_ms"`       // of all threads, median
	Memory int64   `json:"memory_bytes"` // most that its process held

	wall, cpu []float64
}

func (t *gptTime) add(other *turn) {
	const unhurried = 1 // the first step of a turn finds the caches as the other side left them
	t.wall, t.cpu = append(t.wall, other.Milliseconds[unhurried:]...), append(t.cpu, other.CPU[unhurried:]...)
	t.Step, t.CPU = median(t.wall), median(t.cpu)
}

// duelGPT trains a model in turns with a peer for each mode. Every side is a process of its own, whose memory is its own as well. Without
// PyTorch, ours runs alone and noPeer says why.
func duelGPT(ctx context.Context, dir string, g *gpt, length int, precision string, a *arguments) (row *gptRow, version string, noPeer, err error) {
	c, o := g.settings(length, precision, a.threads)
	weights := filepath.Join(dir, model.WeightsFile)
	side, hello, err := startSide(ctx, sideSettings{c, o, weights})
	if err != nil {
		return nil, "", nil, err
	}
	name := fmt.Sprintf("%s %d", precision, length)
	row = &gptRow{Length: length, Precision: precision, Peer: make(map[string]*gptTime), Target: g.targets[name], GFLOP: hello.GFLOP}
	peers := make(map[string]*peer)
	for _, mode := range modes(a)[1:] { // AdamW that is not fused is never the fastest at these sizes
		p, err := startPeer(ctx, c, o, weights, dir)
		if err != nil {
			noPeer = err
			break
		}
		peers[mode], row.Peer[mode], version = p, &gptTime{}, p.version
	}
	tokens, tolerance := randomTokens(c.VocabSize), 1e-3
	if precision != device.Precisions[0] {
		tolerance = 1e-2 // what is rounded, and where, is each side's affair
	}
	for round := range a.rounds + 1 { // round 0 compiles programs, and shows that both sides compute the same
		mine := &turn{}
		if err := side.ask(sideRequest{g.steps}, mine); err != nil {
			return nil, "", nil, err
		}
		if round > 0 {
			row.Ours.add(mine)
		} else {
			row.firstLoss = mine.Losses[0]
		}
		row.Peak = max(row.Peak, peak.GEMM(a.threads, device.Kernels(precision))/1e9/float64(a.threads))
		for mode, p := range peers {
			theirs, err := p.steps(mode, 0, windows(tokens, mine.Places, length))
			if err != nil {
				return nil, "", nil, err
			}
			if round > 0 {
				row.Peer[mode].add(theirs)
			} else if row.LossDeviation, err = deviation(name, mode, mine, theirs, tolerance); err != nil {
				return nil, "", nil, err
			}
			time.Sleep(rest)
		}
	}
	if row.Ours.Memory, err = side.close(); err != nil {
		return nil, "", nil, err
	}
	for mode, p := range peers {
		if row.Peer[mode].Memory, err = p.end(); err != nil {
			return nil, "", nil, err
		}
	}
	row.compare(a.threads)
	return row, version, noPeer, nil
}

// compare fills in what follows from the times.
func (r *gptRow) compare(threads int) {
	r.PeakShare = r.GFLOP / (r.Ours.Step / 1e3) / (r.Peak * float64(threads))
	r.CPUPeakShare = r.GFLOP / (r.Ours.CPU / 1e3) / r.Peak
	if len(r.Peer) == 0 {
		return
	}
	wall, cpu := math.Inf(1), math.Inf(1)
	for _, t := range r.Peer {
		wall, cpu = min(wall, t.Step), min(cpu, t.CPU)
	}
	r.Ratio, r.CPURatio = wall/r.Ours.Step, cpu/r.Ours.CPU
}

// windows returns the sequences at some places of a stream, as batches for the peer.
func windows(tokens []int32, places [][]int, length int) []batch {
	batches := make([]batch, len(places))
	for i, list := range places {
		for _, at := range list {
			batches[i].Inputs = append(batches[i].Inputs, tokens[at:at+length])
			batches[i].Targets = append(batches[i].Targets, tokens[at+1:at+length+1])
		}
	}
	return batches
}
