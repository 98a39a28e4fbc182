// Command generate asks a trained model. It prints the answer to a prompt, and under it how likely the model found each word that it could
// have said instead. Without a prompt it talks; with -eval it scores a file of examples; with -export it writes the model for others;
// with -serve it answers other programs.
//
//	run folder -> asker: prompt -> tokens, one after the other -> reply -> printer: text or JSON
//
// flags.go holds what can be chosen, asker.go asks, talk.go reads prompts, score.go is -eval, export.go -export, serve.go
// -serve; screen.go and json.go print.
package main

import (
	"cmp"
	"context"
	"os"
	"strings"

	"golang.org/x/term"

	"trainer/internal/cli"
	"trainer/internal/device"
	"trainer/internal/fault"
)

func main() {
	a := defaults()
	flags := a.flags()
	cli.Main(flags, func(ctx context.Context) error { return run(ctx, a, flags) })
}

func run(ctx context.Context, a *arguments, flags *cli.Flags) error {
	if err := a.check(flags); err != nil {
		return err
	}
	if a.export != "" {
		e, err := exportModel(a)
		if err != nil {
			return err
		}
		return newPrinter(a).exported(e)
	}
	chosen, err := device.Choose(a.device, 0)
	if err != nil {
		return err
	}
	a.device = chosen.Name
	if err := cmp.Or(device.CheckFor(a.device, a.precision, a.gemm), device.CheckWeights(a.device, a.weights, a.precision)); err != nil {
		return fault.InFlags(err, nil)
	}
	asker, err := newAsker(a, flags)
	if err != nil {
		return err
	}
	defer asker.close()
	printer := newPrinter(a)
	switch {
	case a.serve != "":
		return asker.serve(ctx, a.serve, os.Stderr)
	case a.eval != "":
		s, err := asker.score(a.eval)
		if err != nil {
			return err
		}
		return printer.score(s)
	case flags.NArg() > 0:
		return asker.answer(ctx, strings.Join(flags.Args(), " "), printer)
	case term.IsTerminal(int(os.Stdin.Fd())):
		return talk(ctx, asker, printer, os.Stdin, os.Stderr)
	}
	return answerLines(ctx, asker, printer, os.Stdin)
}
