package main

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"trainer/internal/cli"
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
		percent(r.HeldOutAccuracy), percent(r.TrainAccuracy), r.FinalLoss, thousands(r.Steps), r.Seconds)
}

// thousands writes a whole number with commas: 105,344.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// percent writes a share with one digit behind the point, two where it is near 0 or 100. It cuts rather than rounds, so that 100 % is all and 0 % is none.
func percent(share float64) string {
	switch {
	case share > 0 && share < 0.0001:
		return "<0.01 %"
	case share > 0.99 && share < 1, share > 0 && share < 0.01:
		return strconv.FormatFloat(math.Floor(share*1e4)/100, 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(math.Floor(share*1e3)/10, 'f', 1, 64) + " %"
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
