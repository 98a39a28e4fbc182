package main

import (
	"fmt"
	"os"

	"trainer/internal/cli"
	"trainer/internal/format"
	"trainer/train"
)

// newView returns the way to tell about the run that the flags ask for.
func newView(a *arguments) view {
	switch {
	case a.json:
		return &jsonView{encoder: newEncoder(os.Stdout)}
	case a.quiet:
		return quietView{}
	}
	return &screen{out: os.Stdout, terminal: cli.TerminalOf(os.Stdout)}
}

// quietView prints the result only.
type quietView struct{}

func (quietView) started(*session)                 {}
func (quietView) before([]answer)                  {}
func (quietView) Stepped(*train.Metrics)           {}
func (quietView) Followed(*train.Followed)         {}
func (quietView) Evaluated(int, *train.Evaluation) {}
func (quietView) Saved(int)                        {}
func (quietView) note(string)                      {}
func (quietView) stop()                            {}
func (quietView) after(_ []answer, r *result) {
	fmt.Printf("held-out accuracy %s, trained %s, final loss %.4f, %s steps, %.1f s\n",
		format.Percent(r.HeldOutAccuracy), format.Percent(r.TrainAccuracy), r.FinalLoss, format.Thousands(r.Steps), r.Seconds)
}

// askCommand and resumeCommand are command lines to copy.
func askCommand(out, prompt string) string {
	command := "go run ./cmd/generate"
	if out != "runs/calculator" {
		command += " -model " + out
	}
	if prompt != "" {
		command += fmt.Sprintf(" %q", prompt)
	}
	return command
}

func resumeCommand(a *arguments) string {
	command := "go run ./cmd/train -resume"
	if a.out != "runs/calculator" {
		command += " -out " + a.out
	}
	return command
}
