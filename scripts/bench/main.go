// Command bench times the training step of the word calculator beside the same step in PyTorch, on the same examples from the same weights,
// and says how near it is to what the processor can do.
//
//	workload.go  the examples, the initial weights and the settings that both sides get
//	ours.go      the trainer's side, peer.go and calculator_peer.py that of PyTorch
//	duel.go      the two in turns
//	command.go   cmd/train as a process: first step, memory, the whole default run
//	report.go    the table and the JSON
//
// Start at run. Times are medians; the rounds of both sides alternate, so that a busy machine is unfair to neither.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"trainer/internal/cli"
	"trainer/internal/fault"
)

// arguments is what can be chosen.
type arguments struct {
	rounds, threads int
	full, compiled  bool
	json            string
}

func main() {
	a := &arguments{rounds: 9, threads: runtime.NumCPU()}
	f := cli.New("bench", "Times the calculator's training step beside PyTorch's, in turns on the same examples.",
		"go run ./scripts/bench                 a step at three batch sizes",
		"go run ./scripts/bench -full           the whole default run as well",
		"TRAINER_PYTHON=venv/bin/python3 go run ./scripts/bench",
	)
	g := f.Group("What is measured")
	g.Int(&a.rounds, "rounds", "turns of each side at each batch size; each turn trains on 8,192 examples")
	g.Int(&a.threads, "threads", "threads of either side")
	g.Bool(&a.compiled, "compile", "time PyTorch with torch.compile too; it needs a C++ compiler")
	g.Bool(&a.full, "full", "train the default calculator from start to end")
	g = f.Group("Output")
	g.String(&a.json, "json", "write the numbers to `file` as JSON")
	cli.Main(f, func(ctx context.Context) error { return run(ctx, a) })
}

func run(ctx context.Context, a *arguments) error {
	if a.rounds < 1 || a.threads < 1 {
		return fault.Usagef("-rounds %d -threads %d: expected at least 1", a.rounds, a.threads)
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &report{Machine: machine(a.threads), Rounds: a.rounds}
	// First of all, while this process is small: Linux counts its memory in that of a process that it starts.
	fmt.Fprintln(os.Stderr, "cmd/train ...")
	if r.Command, err = timeCommand(ctx, dir, a.full); err != nil {
		return err
	}
	w, err := newWorkload()
	if err != nil {
		return err
	}
	peer, err := startPeer(ctx, w, dir, a.threads)
	if err != nil {
		r.NoPeer = err.Error()
	} else {
		defer peer.close()
		r.PyTorch = peer.version
	}
	var best float64
	for _, batch := range []int{64, 256, 1024} {
		fmt.Fprintf(os.Stderr, "batch %d ...\n", batch)
		row, err := duel(ctx, w, peer, batch, a)
		if err != nil {
			return err
		}
		r.Steps = append(r.Steps, *row)
		best = max(best, row.peak)
	}
	r.setPeak(best, a.threads)
	if r.PeerMemory, err = peer.close(); err != nil {
		return err
	}
	r.print(os.Stdout)
	if a.json != "" {
		return r.write(a.json)
	}
	return nil
}
