package main

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

func TestAnEstimateTrainsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for preset, says := range map[string][]string{
		"calculator":       {"105,344: 2 layers", "12,000 steps", "this machine"},
		"shakespeare-char": {"809,856", "768 tokens", "1.54 million"},
		"gpt2":             {"124,439,808", "524,288 tokens", "10 billion", "activations", "NVIDIA H100"},
		"llama":            {"12 heads, 32,000 tokens"},
		"gpt3":             {"174,6", "300 billion", "Brown et al. 2020"},
		"gpt4":             {"1,801,1", "13 trillion", "has not been published"},
	} {
		o := succeed(t, dir, "-estimate", "-preset", preset)
		for _, part := range says {
			if !strings.Contains(o.stdout, part) {
				t.Errorf("%s: %q is missing in\n%s", preset, part, o.stdout)
			}
		}
		checkPlain(t, o.stdout)
	}
	kept, again := succeed(t, dir, "-estimate", "-preset", "gpt2").stdout, succeed(t, dir, "-estimate", "-preset", "gpt2", "-recompute").stdout
	for _, row := range []string{"activations", "operations"} {
		if before, after := lineWith(kept, row), lineWith(again, row); before == "" || before == after {
			t.Errorf("-recompute leaves %q of the estimate as it is", before)
		}
	}
	var e struct {
		Type     string
		Estimate struct {
			Parameters int
			Memory     struct{ Together int } `json:"memory_bytes"`
			Steps      int
			Machines   []struct{ Seconds float64 }
		}
	}
	text := succeed(t, dir, "-estimate", "-json").stdout
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Type != "estimate" || e.Estimate.Parameters != 105344 ||
		e.Estimate.Memory.Together <= 16*e.Estimate.Parameters || len(e.Estimate.Machines) < 2 || e.Estimate.Machines[0].Seconds <= 0 {
		t.Errorf("as JSON: %s, %v", text, err)
	}
	for _, m := range e.Estimate.Machines[1:] {
		if least := 50e-6 * float64(e.Estimate.Steps); m.Seconds < 0.999*least {
			t.Errorf("a GPU is said to take %g seconds for %d steps, want at least 50 µs a step", m.Seconds, e.Estimate.Steps)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("an estimate left %v, %v", entries, err)
	}
}

// lineWith returns the first line of a text that holds a word.
func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}

func TestQuantitiesAreWrittenForPeople(t *testing.T) {
	for seconds, want := range map[float64]string{
		0.02: "20 ms", 0.1374: "140 ms", 0.00042: "0.42 ms", 12: "12 seconds", 90: "1m30s", 7200: "2 hours", 86400 * 10: "10 days", 86400 * 365.25 * 50: "50 years",
		86400 * 365.25 * 12345: "12,345 years", 86400 * 365.25 * 2e7: "20 million years",
	} {
		if got := duration(seconds); got != want {
			t.Errorf("%g seconds are written %q, want %q", seconds, got, want)
		}
	}
	for v, want := range map[float64]string{5: "5 FLOP", 1500: "1.5 kFLOP", 989e12: "989 TFLOP", math.Pow(10, 27): "1e+03 YFLOP"} {
		if got := operations(v); got != want {
			t.Errorf("%g operations are written %q, want %q", v, got, want)
		}
	}
}
