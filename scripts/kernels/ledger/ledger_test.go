package main

import (
	"math"
	"strings"
	"testing"
)

// Of an H100: 1024 blocks of 256 threads with 64 registers would fill the registers with 4 of them; 100 KiB of shared memory leave 2.
func TestOccupancyIsBoundByTheScarcestResource(t *testing.T) {
	for _, c := range []struct {
		r                resources
		threads, dynamic int
		want             float64
	}{
		{resources{registers: 32}, 256, 0, 1},
		{resources{registers: 64}, 256, 0, 0.5},
		{resources{registers: 16}, 32, 0, 0.5}, // 32 blocks
		{resources{registers: 32, shared: 1024}, 256, 100 << 10, 0.25},
		{resources{registers: 255}, 256, 0, 0.125},
	} {
		if got := occupancy(c.r, c.threads, c.dynamic); got != c.want {
			t.Errorf("%+v, %d threads, %d bytes: occupancy %g, expected %g", c.r, c.threads, c.dynamic, got, c.want)
		}
	}
}

func TestALineGoesThroughTheCountsAtTwoSizes(t *testing.T) {
	c0, c1 := counts{tensor: 10, sectors: 7}, counts{tensor: 40, sectors: 7}
	got := line(2, 4, c0, c1)(100)
	if want := (counts{tensor: 10 + 98*15, sectors: 7}); got != want {
		t.Errorf("at 100 the line is at %+v, expected %+v", got, want)
	}
	if off := got.apart(counts{tensor: got.tensor, sectors: 14}); math.Abs(off-0.5) > 1e-9 {
		t.Errorf("7 sectors are %g apart from 14, expected 0.5", off)
	}
}

func TestEveryKernelOfAStepCanBeCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("allocates the weights of GPT-2")
	}
	s, err := trainingStep()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.launches) < 400 || s.weights != 124_439_808 {
		t.Errorf("%d launches on %d weights, expected over 400 on 124439808", len(s.launches), s.weights)
	}
	for _, u := range uses(s.launches) {
		f, err := familyOf(u, families(s.weights, s.narrow))
		if err != nil {
			t.Error(err)
			continue
		}
		if f.title(u) == "" || f.least(u) <= 0 {
			t.Errorf("%s: title %q, least bytes %g", u.Kernel, f.title(u), f.least(u))
		}
	}
}

func TestTextIsWrappedAndTablesAreNot(t *testing.T) {
	words := strings.TrimSpace(strings.Repeat("words ", 60))
	got := wrapped("- " + words + "\n\n| " + words + " |\n")
	lines := strings.Split(got, "\n")
	if n := len(lines); n != 6 || len(lines[0]) > 140 || !strings.HasPrefix(lines[1], "  words") || len(lines[4]) < 300 {
		t.Errorf("%d lines:\n%s", n, got)
	}
	if flat := strings.ReplaceAll(strings.Split(got, "\n\n")[0], "\n ", ""); flat != "- "+words {
		t.Errorf("the text has become\n%s", flat)
	}
}
