package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestExitCodeFollowsTheClassThroughWrapping(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("train: %w", fmt.Errorf("step 3: %w", err)) }
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nil", nil, 0},
		{"plain", errors.New("disk full"), 1},
		{"cancelled without a save", context.Canceled, 1},
		{"usage", Usagef("-steps: %d is negative", -1), 2},
		{"data", Dataf("data.txt:3: no answer"), 3},
		{"device", Devicef("no GPU"), 4},
		{"interrupted", ErrInterrupted, 130},
		{"wrapped usage", wrap(Usagef("x")), 2},
		{"wrapped data", wrap(Dataf("x")), 3},
		{"wrapped device", wrap(Devicef("x")), 4},
		{"wrapped interrupted", wrap(ErrInterrupted), 130},
		{"joined", errors.Join(errors.New("x"), Dataf("y")), 3},
		{"outermost class", Usagef("-data: %w", Dataf("x")), 2},
		{"interrupted within a class", Dataf("x: %w", ErrInterrupted), 130},
	}
	for _, test := range tests {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("%s: ExitCode(%v) = %d, want %d", test.name, test.err, got, test.want)
		}
	}
}

func TestClassifiedErrorKeepsItsTextAndCause(t *testing.T) {
	for _, errorf := range []func(string, ...any) error{Usagef, Dataf, Devicef} {
		err := errorf("open %s: %w", "weights", fs.ErrNotExist)
		if got, want := err.Error(), "open weights: file does not exist"; got != want {
			t.Errorf("text is %q, want %q", got, want)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v does not wrap its cause", err)
		}
	}
}
