package main

import (
	"fmt"

	"trainer/internal/cli"
	"trainer/internal/fault"
	"trainer/internal/web"
)

// defaultRun is the folder that the trainer writes to without flags.
const defaultRun = "runs/calculator"

// arguments is what can be chosen.
type arguments struct {
	run      string
	http     string
	report   string
	pictures string
	findings bool
}

func defaults() *arguments { return &arguments{run: defaultRun, http: ":8080"} }

// flags defines the flags.
func (a *arguments) flags() *cli.Flags {
	f := cli.New("floor",
		"Shows a run from inside, in the browser: an example on its way through the model, the numbers of all steps, what it has learned.",
		"go run ./cmd/floor                      the word calculator",
		"go run ./cmd/floor runs/book            another run, which may still go on",
		"go run ./cmd/floor -report run.html     the page as a file, to be sent and opened anywhere",
		"go run ./cmd/floor -png pictures        pictures of it",
		"go run ./cmd/floor -findings            what the model has learned, in words",
	)
	f.Mixed = true
	f.Exits = "0 done, also when Ctrl-C has ended the server   1 failure   2 wrong usage\n3 bad data or checkpoint   130 ended by a second Ctrl-C"
	g := f.Group("Run")
	g.String(&a.run, "run", "`folder` of the run, which may be given without the flag")

	g = f.Group("Output")
	g.String(&a.http, "http", "serve the page at `address`, which only this machine can reach unless it names a host such as 0.0.0.0:8080")
	g.String(&a.report, "report", "write the page with its data as one HTML `file` that needs no server, and serve nothing")
	g.String(&a.pictures, "png", "draw the page's views as PNG files into `folder`, with Chromium or Chrome, and serve nothing")
	g.Bool(&a.findings, "findings", "print what the model has learned, and how much of it at each checkpoint, and serve nothing")
	return f
}

// settle takes the folder that is given without a flag, and checks the rest.
func (a *arguments) settle(f *cli.Flags) (err error) {
	switch {
	case f.NArg() > 1:
		return fault.Usagef("%q and %q: expected one run folder; those beside it are shown on its page", f.Arg(0), f.Arg(1))
	case f.NArg() == 1 && f.Given("run"):
		return fault.Usagef("-run %s and %q: expected one run folder, with the flag or without", a.run, f.Arg(0))
	case f.NArg() == 1:
		a.run = f.Arg(0)
	}
	if a.http, err = web.Address(a.http); err != nil {
		return fmt.Errorf("-http: %w", err)
	}
	return nil
}
