package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/train"
)

// tiny are arguments for a model that takes no time, on the CPU.
func tiny() *arguments {
	a := defaults()
	a.device, a.precisions, a.products, a.batches, a.steps = device.CPU, "f32", "auto", "1,3", 2
	c := &a.config
	c.VocabSize, c.Context, c.Width, c.Layers, c.Heads, c.MLPWidth = 50, 20, 16, 1, 2, 64
	return a
}

func TestEachRowIsTheTimeOfStepsOfItsBatch(t *testing.T) {
	a := tiny()
	var out bytes.Buffer
	if err := run(t.Context(), a, &out); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")[3:]
	if len(rows) != 2 {
		t.Fatalf("%d rows, want one for each batch size:\n%s", len(rows), &out)
	}
	for i, batch := range []string{"1", "3"} {
		fields := strings.Fields(rows[i])
		var loss float64
		if _, err := fmt.Sscan(fields[8], &loss); err != nil || fields[2] != batch || math.Abs(loss-math.Log(50)) > 0.1 {
			t.Errorf("row %q: want batch %s and at first the loss of guesses among 50 tokens, %.2f (%v)", rows[i], batch, math.Log(50), err)
		}
	}
}

func TestGPT2HasItsWeights(t *testing.T) {
	if n := defaults().config.NumParameters(); n != 124_439_808 {
		t.Errorf("the default model has %d weights, want those of GPT-2", n)
	}
}

func TestARowThatFailsDoesNotEndTheTable(t *testing.T) {
	a := tiny()
	a.products = "own,auto" // a CPU has no choice of them
	var out bytes.Buffer
	err := run(t.Context(), a, &out)
	if fault.ExitCode(err) != fault.ExitDevice || !strings.Contains(err.Error(), "-gemm=own") {
		t.Errorf("error %v, want one that names the row", err)
	}
	if !strings.Contains(out.String(), "\n      f32     auto     3 ") {
		t.Errorf("the rows behind a failed one are missing:\n%s", &out)
	}
}

func TestListsAreChecked(t *testing.T) {
	for _, list := range []string{"", "4,", "0", "x"} {
		if _, err := numbers("batch", list); fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%q: %v, want a usage error", list, err)
		}
	}
}

func TestAStepPredictsEveryTokenOfItsBatch(t *testing.T) {
	a := tiny()
	load := newWorkload(a.config, 7)
	o := train.Calculator()
	o.Batch = 3
	r, err := load.measure(t.Context(), o, 2)
	if err != nil {
		t.Fatal(err)
	}
	c := a.config
	rows, pairs := 3*c.Context, 3*c.Context*(c.Context+1)/2
	want := 3 * 2 * (rows*c.Width*(12*c.Width+c.VocabSize) + 2*pairs*c.Width)
	if r.tokens != rows || r.flop != float64(want) || len(r.seconds) != 2 {
		t.Errorf("a step has %d tokens and %.0f operations, %d are timed; want %d, %d and 2", r.tokens, r.flop, len(r.seconds), rows, want)
	}
}
