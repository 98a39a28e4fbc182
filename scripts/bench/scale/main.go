// Command scale measures what training in two processes costs, fits a model of the time of a step to that, and predicts larger groups with it.
//
//	go run -tags mpi ./scripts/bench/scale
//
//	main.go     the command: which runs, in turns, and what is made of them
//	launch.go   one run: a process with two threads, or two of one thread by mpirun
//	rank.go     what such a process does; meter.go counts the bytes it sends and the time it waits
//	link.go     two network namespaces joined by a link of some rate, for mpirun to cross
//	fit.go      the model of a step's time, its fit and its check on runs that the fit has not seen
//	predict.go  what the model says of groups of GPUs and of hosts
//
// Start at run. Times are medians over the steps of all rounds; the runs of a round take turns, so that a busy machine is unfair to none.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"trainer/internal/cli"
	"trainer/internal/fault"
)

// arguments is what can be chosen.
type arguments struct {
	rounds, steps int
	json          string
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == rankArgument {
		if err := serveRank(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(fault.ExitCode(err))
		}
		return
	}
	a := &arguments{rounds: 5, steps: 10}
	f := cli.New("scale", "Measures training in two processes, fits a model of a step's time, and predicts larger groups.",
		"go run -tags mpi ./scripts/bench/scale", "go run -tags mpi ./scripts/bench/scale -rounds 9 -json scale.json")
	g := f.Group("What is measured")
	g.Int(&a.rounds, "rounds", "turns of each run")
	g.Int(&a.steps, "steps", "steps in a turn that are timed, after two that are not")
	g = f.Group("Output")
	g.String(&a.json, "json", "write the numbers to `file` as JSON")
	cli.Main(f, func(ctx context.Context) error { return run(ctx, a) })
}

// series is the runs of one kind.
type series struct {
	Name string `json:"name"`
	settings
	rate float64 // of the link in bytes a second, 0 for none
	held bool    // the fit does not see it

	Step    float64 `json:"step_ms"`        // median
	Reduce  float64 `json:"reduce_share"`   // of the step that waits for sums of gradients, median
	Gather  float64 `json:"gather_share"`   // that waits for messages and new weights
	Sent    float64 `json:"bytes_sent"`     // a step, by a rank
	Least   float64 `json:"bytes_least"`    // 2(N-1)/N of the gradient's
	FLOP    float64 `json:"flop"`           // of a step, of all ranks
	Message float64 `json:"bytes_messages"` // of Sent, neither gradients nor weights

	steps, reduce, gather []float64
}

func (s *series) add(m *measured) {
	s.steps, s.reduce, s.gather = append(s.steps, m.Steps...), append(s.reduce, m.Reduce...), append(s.gather, m.Gather...)
	s.Step, s.Reduce, s.Gather = median(s.steps), median(s.reduce), median(s.gather)
	s.Sent, s.Least, s.FLOP = m.Sent, m.Least, m.FLOP
	s.Message = s.Sent - s.Least
}

// gigabit is the bytes a second of a link of 1 Gbit/s.
const gigabit = 1e9 / 8

func run(ctx context.Context, a *arguments) error {
	if a.rounds < 1 || a.steps < 1 {
		return fault.Usagef("-rounds %d -steps %d: expected at least 1", a.rounds, a.steps)
	}
	dir, err := os.MkdirTemp("", "scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all := []*series{
		{Name: "calculator, 1 process", settings: settings{Model: "calculator", Batch: 64, Threads: 2}},
		{Name: "calculator, 2 processes", settings: settings{Model: "calculator", Batch: 64, Threads: 1, Ranks: 2}},
		{Name: "gpt, 1 process", settings: settings{Model: "gpt", Batch: 4, Threads: 2}},
		{Name: "gpt, 2 processes", settings: settings{Model: "gpt", Batch: 4, Threads: 1, Ranks: 2}},
	}
	linked := settings{Model: "gpt", Batch: 4, Threads: 1, Ranks: 2}
	for _, l := range []struct {
		gigabits float64
		held     bool
	}{{1, false}, {2, true}, {4, false}, {6, true}, {10, false}} {
		all = append(all, &series{Name: fmt.Sprintf("gpt, link of %g Gbit/s", l.gigabits), settings: linked, rate: l.gigabits * gigabit, held: l.held})
	}
	links, noLinks := newLinks(filepath.Join(dir, "agent"))
	if noLinks == nil {
		defer links.close()
	} else {
		fmt.Printf("Left out, runs over links: %v\n", noLinks)
		all = slices.DeleteFunc(all, func(s *series) bool { return s.rate > 0 })
	}
	fmt.Println(load())
	for round := range a.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d ...\n", round+1, a.rounds)
		for _, s := range all {
			s.settings.Steps = a.steps
			m, err := launch(ctx, links, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			s.add(m)
		}
	}
	fmt.Println(load())
	for _, s := range all {
		fmt.Printf("%-26s %8.2f ms a step", s.Name, s.Step)
		if s.Ranks > 1 {
			fmt.Printf(", waits for sums %4.1f %%, weights and messages %4.1f %%; sends %.2f MB, %.4f of the least",
				100*s.Reduce, 100*s.Gather, s.Sent/1e6, s.Sent/s.Least)
		}
		fmt.Println()
	}
	for i := 0; i < 4; i += 2 {
		fmt.Printf("efficiency of %s: %.3f of a process with two threads; target %.2f\n", all[i+1].Name, all[i].Step/all[i+1].Step, targetEfficiency)
	}
	var fitted *constants
	if noLinks == nil {
		fitted = fitAndCheck(all[4:])
	}
	predict(os.Stdout, fitted)
	if a.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(map[string]any{"runs": all, "model": fitted}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(a.json, append(text, '\n'), 0o644)
}

// targetEfficiency is what the project asks of two processes.
const targetEfficiency = 0.95

// load says how busy the machine is.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load of the machine: unknown"
	}
	return "load of the machine: " + string(text[:len(text)-1])
}

// median returns the middle of a list, which it sorts.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}
