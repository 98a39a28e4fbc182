// Package fault sorts the errors that a user can cause into the classes that the commands' exit codes tell apart. An
// error is made where the mistake is found (Usagef, Dataf, Devicef), wrapped on its way up like any other, and turned
// into an exit code in main by ExitCode.
package fault

import (
	"errors"
	"fmt"
)

// The exit codes of every command.
const (
	ExitDone        = 0
	ExitFailure     = 1   // anything that has no class below
	ExitUsage       = 2   // a wrong flag or argument
	ExitData        = 3   // a bad data file or checkpoint
	ExitDevice      = 4   // the device that was asked for is not available
	ExitInterrupted = 130 // stopped by a signal, after a clean save
)

// ErrInterrupted says that a signal stopped the work and that everything worth keeping was saved first. A bare
// context.Canceled promises no such save and is an ordinary failure.
var ErrInterrupted = errors.New("interrupted")

// classified is an error with the exit code of its class.
type classified struct {
	error
	code int
}

func (c *classified) Unwrap() error { return c.error }

// Usagef returns an error of class ExitUsage; format and args are those of fmt.Errorf, %w included.
func Usagef(format string, args ...any) error {
	return &classified{fmt.Errorf(format, args...), ExitUsage}
}

// Dataf returns an error of class ExitData; format and args are those of fmt.Errorf, %w included.
func Dataf(format string, args ...any) error {
	return &classified{fmt.Errorf(format, args...), ExitData}
}

// Devicef returns an error of class ExitDevice; format and args are those of fmt.Errorf, %w included.
func Devicef(format string, args ...any) error {
	return &classified{fmt.Errorf(format, args...), ExitDevice}
}

// WithCode returns an error of the class that an exit code stands for, such as another process has told.
func WithCode(code int, text string) error { return &classified{errors.New(text), code} }

// ExitCode returns the exit code of a command that ended with err, looking through wrapped errors. Of several classes
// the outermost counts, and ErrInterrupted goes before any class.
func ExitCode(err error) int {
	var c *classified
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, ErrInterrupted):
		return ExitInterrupted
	case errors.As(err, &c):
		return c.code
	case errors.As(err, new(*OptionError)):
		return ExitUsage
	}
	return ExitFailure
}
