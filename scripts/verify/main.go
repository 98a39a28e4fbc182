// Command verify compares the trainer's numbers with those of PyTorch on one model: logits, losses, gradients, training steps and text. It prints a
// table and a verdict; a deviation above the tolerance is exit code 1.
//
// Package internal/verify does the work and describes the reference folder; reference.py makes one of any model, such as one that cmd/train trained.
package main

import (
	"context"
	"errors"
	"os"

	"trainer/internal/cli"
	"trainer/internal/cpu/kernel"
	"trainer/internal/fault"
	"trainer/internal/verify"
)

func main() {
	folder, kernels, threads := "model/testdata/reference", kernel.Best().Name, 1
	f := cli.New("verify", "Compares the trainer with PyTorch: logits, losses, every gradient, ten steps of AdamW, text.",
		"go run ./scripts/verify                      the reference that comes with the source, from its root",
		"go run ./scripts/verify -kernels go -threads 2",
		"python3 scripts/verify/reference.py runs/first /tmp/reference && go run ./scripts/verify -ref /tmp/reference",
	)
	g := f.Group("What is compared")
	g.String(&folder, "ref", "`folder` with a model and what PyTorch computes with it")
	g.String(&kernels, "kernels", "CPU kernels, by `name`: avx512, avx2 or go")
	g.Int(&threads, "threads", "threads within an operation")
	cli.Main(f, func(context.Context) error {
		if f.NArg() > 0 {
			return fault.Usagef("unexpected argument %q: a reference folder is given with -ref", f.Arg(0))
		}
		return run(folder, kernels, threads)
	})
}

func run(folder, kernels string, threads int) error {
	set, err := kernel.ByName(kernels)
	if err != nil {
		return fault.Usagef("-kernels %s: %w", kernels, err)
	}
	if threads < 1 {
		return fault.Usagef("-threads %d: expected at least 1", threads)
	}
	report, err := verify.Run(folder, set, threads)
	if err != nil {
		return err
	}
	if err := report.Print(os.Stdout); err != nil {
		return err
	}
	if !report.OK() {
		return errors.New("the trainer's numbers are not those of the reference")
	}
	return nil
}
