// Command ledger counts what a training step of GPT-2 with 124 million weights asks of a GPU, kernel by kernel, and writes it into
// docs/kernels.md. It needs no GPU.
//
//	step.go       the launches of a step, as internal/cuda queues them on paper.go, a device that only writes down
//	use.go        the different ones among them
//	family.go     how each kernel is counted on small sizes, and the least bytes it can move
//	counts.go     the emulator, and lines through what it counts
//	ledger.go     the whole
//	occupancy.go  registers and shared memory
//	report.go     the page, its sums, and what must hold
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"trainer/internal/cli"
)

// page is where the ledger is written, between two lines.
const (
	page  = "docs/kernels.md"
	begin = "<!-- from here on written by scripts/kernels/ledger -->\n"
	end   = "<!-- as far as here -->\n"
)

func main() {
	check := false
	f := cli.New("ledger", "Counts what a training step of GPT-2 asks of a GPU, and writes it into "+page+".",
		"go run ./scripts/kernels/ledger          from the root of the project; half a minute",
		"go run ./scripts/kernels/ledger -check   fails where the page says something else",
	)
	f.Group("What is done").Bool(&check, "check", "compare with the page instead of writing it")
	cli.Main(f, func(context.Context) error { return run(check) })
}

func run(check bool) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(old), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has lost the lines between which the ledger stands", page)
	}
	kernels, err := readResources(tail)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	s, err := trainingStep()
	if err != nil {
		return err
	}
	all, err := ledger(s.launches, families(s.weights, s.narrow))
	if err != nil {
		return err
	}
	text, err := report(s, all, kernels)
	if err != nil {
		return err
	}
	text = head + begin + "\n" + text + "\n" + end + tail
	if !check {
		return os.WriteFile(page, []byte(text), 0o666)
	}
	if text != string(old) {
		return fmt.Errorf("%s is not what the kernels do now: go run ./scripts/kernels/ledger", page)
	}
	return nil
}
