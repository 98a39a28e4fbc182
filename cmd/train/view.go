package main

import (
	"fmt"
	"os"
	"strings"
	"unicode"

	"trainer/internal/cli"
	"trainer/internal/format"
	"trainer/train"
)

// newView returns the way to tell about the run that the flags ask for.
func newView(a *arguments) view {
	switch {
	case a.json:
		return &jsonView{out: os.Stdout}
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
func (quietView) Saved(train.Checkpoint)           {}
func (quietView) note(string)                      {}
func (quietView) stop()                            {}
func (quietView) after(_ []answer, r *result) {
	heldOut := "no held-out examples"
	if r.HeldOutAccuracy != nil {
		heldOut = "held-out accuracy " + format.Percent(*r.HeldOutAccuracy)
	}
	if r.HeldOutLoss != nil && r.HeldOutPerplexity != nil {
		heldOut = fmt.Sprintf("held-out loss %s, perplexity %.2f, accuracy %s", lossText(*r.HeldOutLoss), *r.HeldOutPerplexity,
			format.Percent(*r.HeldOutAccuracy))
	}
	fmt.Printf("%s, trained %s, final loss %s, %s steps, %.1f s\n",
		heldOut, format.Percent(r.TrainAccuracy), lossText(r.FinalLoss), format.Thousands(r.Steps), r.Seconds)
}

// askCommand is the command line that asks the model of a run folder: a prompt, or to talk without one.
func askCommand(out, prompt string) string {
	command := cli.Sibling("generate")
	if out != defaultOut {
		command += " -model " + quoted(out)
	}
	if prompt != "" {
		command += " " + quoted(prompt)
	}
	return command
}

// resumeCommand is the command line that goes on with the run of a folder.
func resumeCommand(out string) string {
	command := cli.Sibling("train") + " -resume"
	if out != defaultOut {
		command += " -out " + quoted(out)
	}
	return command
}

// quoted is an argument as a shell takes it.
func quoted(argument string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+=:,@", r)
	}
	switch {
	case argument != "" && strings.TrimFunc(argument, plain) == "":
		return argument
	case !strings.ContainsAny(argument, "\"$`\\!"):
		return `"` + argument + `"`
	}
	return "'" + strings.ReplaceAll(argument, "'", `'\''`) + "'"
}
