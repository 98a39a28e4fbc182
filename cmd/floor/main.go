// Command floor shows a run from inside: a page in the browser, with one example on its way through the model, the numbers of all steps, and
// what the model has learned. The run has ended, or goes on in another process.
//
//	run folder -> floor.Folder -> page, report or pictures
//
// flags.go holds what can be chosen, serve.go serves the page, report.go writes it as a file, pictures.go draws it,
// findings.go says in words what was learned.
package main

import (
	"context"
	"os"

	"trainer/internal/cli"
	"trainer/internal/floor"
)

func main() {
	a := defaults()
	flags := a.flags()
	cli.Main(flags, func(ctx context.Context) error { return run(ctx, a, flags) })
}

func run(ctx context.Context, a *arguments, flags *cli.Flags) error {
	if err := a.settle(flags); err != nil {
		return err
	}
	f, err := floor.OpenFolder(a.run)
	if err != nil {
		return err
	}
	defer f.Close()
	if a.report == "" && a.pictures == "" && !a.findings {
		return serve(ctx, f, a, os.Stderr)
	}
	if a.findings {
		if err := printFindings(ctx, f, os.Stdout); err != nil {
			return err
		}
	}
	if a.report != "" {
		if err := report(ctx, f, a, os.Stderr); err != nil {
			return err
		}
	}
	if a.pictures != "" {
		return pictures(ctx, f, a, os.Stderr)
	}
	return nil
}
