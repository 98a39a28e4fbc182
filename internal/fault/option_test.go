package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestAnOptionErrorCallsOptionsByOtherNames(t *testing.T) {
	err := fmt.Errorf("flags: %w", Optionf("%s %d: expected a divisor of %s %d", Option("n_head"), 7, Option("n_embd"), 768))
	if want := "flags: n_head 7: expected a divisor of n_embd 768"; err.Error() != want {
		t.Errorf("the text is %q, want %q", err, want)
	}
	if code, inFile := ExitCode(err), ExitCode(Dataf("config.json: %w", err)); code != ExitUsage || inFile != ExitData {
		t.Errorf("the exit code is %d, and of a file %d, want %d and %d", code, inFile, ExitUsage, ExitData)
	}
	inFlags := InFlags(err, map[Option]string{"n_embd": "d-model"})
	if want := "-n-head 7: expected a divisor of -d-model 768"; inFlags.Error() != want || ExitCode(inFlags) != ExitUsage {
		t.Errorf("with flags the error is %q of class %d, want %q of class %d", inFlags, ExitCode(inFlags), want, ExitUsage)
	}
	if other := errors.New("another"); InFlags(other, nil) != other {
		t.Errorf("an error without options became %v", InFlags(other, nil))
	}
}
