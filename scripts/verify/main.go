// Command verify compares the trainer's numbers with those of PyTorch on one model: logits, losses, gradients, training steps and text. It prints a
// table and a verdict; a deviation above the tolerance is exit code 1.
//
// Package internal/verify does the work and describes the reference folder; reference.py makes one of any model, such as one that cmd/train trained.
package main

import (
	"context"
	"errors"
	"os"
	"slices"

	"trainer/internal/cli"
	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/cuda"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/verify"
)

// arguments are what the flags say.
type arguments struct {
	folder, device, precision, gemm, kernels string
	threads                                  int
}

func main() {
	a := &arguments{
		folder: "model/testdata/reference", device: device.CPU, precision: device.Precisions[0], gemm: device.GEMMs[0],
		kernels: kernel.Best().Name, threads: 1,
	}
	f := cli.New("verify", "Compares the trainer with PyTorch: logits, losses, every gradient, ten steps of AdamW, text.",
		"go run ./scripts/verify                      the reference that comes with the source, from its root",
		"go run ./scripts/verify -kernels go -threads 2",
		"go run -tags gpu ./scripts/verify -device cuda -precision bf16",
		"python3 scripts/verify/reference.py runs/first /tmp/reference && go run ./scripts/verify -ref /tmp/reference",
	)
	g := f.Group("What is compared")
	g.String(&a.folder, "ref", "`folder` with a model and what PyTorch computes with it")
	g = f.Group("Device")
	g.String(&a.device, "device", "cpu, cuda or cuda:1, auto, or cuda-emulated, which needs no GPU and takes seconds")
	g.String(&a.precision, "precision", "f32; or bf16, with tolerances of its own, on a GPU or a CPU with AVX512-BF16")
	g.String(&a.gemm, "gemm", "who multiplies matrices on a GPU: cublaslt, own or auto")
	g.String(&a.kernels, "kernels", "CPU kernels, by `name`: avx512, avx2 or go")
	g.Int(&a.threads, "threads", "threads within an operation of the CPU")
	cli.Main(f, func(context.Context) error {
		if f.NArg() > 0 {
			return fault.Usagef("unexpected argument %q: a reference folder is given with -ref", f.Arg(0))
		}
		return run(a)
	})
}

func run(a *arguments) error {
	on, closeMachine, err := open(a)
	if err != nil {
		return err
	}
	report, err := verify.Run(a.folder, on)
	if err = errors.Join(err, closeMachine()); err != nil {
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

// open returns the machine that the arguments name, and what closes it.
func open(a *arguments) (on verify.Machine, closeMachine func() error, err error) {
	set, err := kernel.ByName(a.kernels)
	if err != nil {
		return on, nil, fault.Usagef("-kernels %s: %w", a.kernels, err)
	}
	if a.threads < 1 {
		return on, nil, fault.Usagef("-threads %d: expected at least 1", a.threads)
	}
	chosen, err := device.Choose(a.device, 0)
	if err != nil {
		return on, nil, err
	}
	if err := device.CheckFor(chosen.Name, a.precision, a.gemm); err != nil {
		return on, nil, fault.InFlags(err, nil)
	}
	if !device.IsGPU(chosen.Name) {
		if a.precision == set.BF16().Precision {
			set = set.BF16()
		}
		b := cpu.New(a.threads, set)
		return verify.OnCPU(b, set), b.Close, nil
	}
	b, err := device.Open(chosen.Name, a.precision, a.gemm)
	if err != nil {
		return on, nil, err
	}
	return verify.OnGPU(b, cuda.Precision(slices.Index(device.Precisions, a.precision))), b.Close, nil
}
