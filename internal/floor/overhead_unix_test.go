//go:build unix

package floor

import (
	"flag"
	"io"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"
)

var overhead = flag.Bool("overhead", false, "measure what open pages cost a run, for a minute")

// TestPagesHardlySlowARun trains on one thread with ten pages open and without, in turns, and compares the processor time of the process: the
// time on the clock tells of what else the machine does. The best of each is compared, which was disturbed the least. The readers' own work
// counts, too.
func TestPagesHardlySlowARun(t *testing.T) {
	if !*overhead {
		t.Skip("-overhead is not given: it takes a minute of a processor")
	}
	const pages, rounds, limit = 10, 8, 0.02
	var without, with []float64
	for range rounds {
		without = append(without, timeRun(t, 0))
		with = append(with, timeRun(t, pages))
	}
	cost := slices.Min(with)/slices.Min(without) - 1
	t.Logf("seconds of a processor without pages %.2f, with %d pages %.2f: %+.2f %%", without, pages, with, 100*cost)
	if cost > limit {
		t.Errorf("pages cost %.2f %%, want at most %.2f %%", 100*cost, 100*limit)
	}
}

// processorTime is what the process has used so far, in seconds.
func processorTime(t *testing.T) float64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// timeRun trains the calculator for some seconds with so many pages open, and returns how many of a processor that took.
func timeRun(t *testing.T, pages int) float64 {
	t.Helper()
	run := newCalculator(t, 2500)
	if pages == 0 {
		begun := processorTime(t)
		if err := run.Trainer.Run(t.Context(), run.plan, discard{}); err != nil {
			t.Fatal(err)
		}
		return processorTime(t) - begun
	}
	begun := processorTime(t)
	_, s, ended := run.begin(t)
	for range pages {
		r, err := http.Get("http://" + s.Address() + "/api/events")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}()
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	took := processorTime(t) - begun
	s.Close()
	return took
}
