package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"trainer/internal/fault"
)

// Main runs a command and ends the process with the exit code of its error, which it prints. The first interrupt or termination signal ends
// the context, so that the command can save; the second ends the process at once.
func Main(flags *Flags, run func(ctx context.Context) error) {
	finish(flags, os.Args[1:], func() error { return run(interruptible()) })
}

// finish parses the arguments, runs a command and ends the process.
func finish(flags *Flags, arguments []string, run func() error) {
	err := flags.Parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		if !flags.Silent {
			flags.Help(os.Stdout)
		}
		os.Exit(fault.ExitDone)
	}
	if err == nil {
		err = run()
	}
	if err != nil && !flags.Silent {
		fmt.Fprintf(os.Stderr, "%s: %v\n", flags.Name(), err)
	}
	os.Exit(fault.ExitCode(err))
}

// interruptible returns a context that the first signal ends.
func interruptible() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(fault.ExitInterrupted)
	}()
	return ctx
}
