package memory

import (
	"math"
	"strings"
	"testing"
)

func TestOnlyWhatExceedsTheMachineIsRefused(t *testing.T) {
	if err := Fits("a small job", 1<<20); err != nil {
		t.Error(err)
	}
	if total() == 0 {
		t.Skip("this system does not tell how much memory it has")
	}
	if err := Fits("a job as large as the machine", int(total())); err != nil {
		t.Error(err)
	}
	err := Fits("a huge job", math.MaxInt)
	if err == nil || !strings.HasPrefix(err.Error(), "a huge job takes 8589934592.0 GiB of memory, but this machine has ") {
		t.Errorf("error %v, want the job, its size and the machine's", err)
	}
}
