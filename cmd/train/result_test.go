package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// summary reads summary.json without the time that the run took.
func summary(t *testing.T, dir string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "run", "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if seconds, ok := s["seconds"].(float64); !ok || seconds <= 0 {
		t.Errorf("the run took %v seconds", s["seconds"])
	}
	delete(s, "seconds")
	return s
}

func TestSummaryDoesNotTellAnInterruptedRunFromAWholeOne(t *testing.T) {
	whole, halved := workplace(t), workplace(t)
	flags := small("-steps", "150", "-lr", "0.02")
	succeed(t, whole, flags...)
	fail(t, 130, []string{"step 149 of 150"}, halved, append(flags, "-stop-after", "149")...)
	succeed(t, halved, "-resume", "-out", "run", "-quiet")
	want := summary(t, whole)
	if got := summary(t, halved); !reflect.DeepEqual(got, want) {
		t.Errorf("interrupted just before its end, a run has the summary\n%v, want\n%v", got, want)
	}
	for name, value := range map[string]any{"steps": 150.0, "seed": 1.0, "examples": 90.0, "held_out_examples": 10.0} {
		if want[name] != value {
			t.Errorf("%s is %v, want %v", name, want[name], value)
		}
	}
	for _, name := range []string{"held_out_accuracy", "train_accuracy", "final_loss", "held_out_loss", "parameters"} {
		if v, ok := want[name].(float64); !ok || v < 0 {
			t.Errorf("%s is %v, want a number", name, want[name])
		}
	}
	for _, name := range []string{"held_out_by_operation", "train_by_operation"} {
		if by, ok := want[name].(map[string]any); !ok || len(by) != 1 || by["plus"] == nil {
			t.Errorf("%s is %v, want the share of sums", name, want[name])
		}
	}
}

func TestSummaryWithoutHeldOutExamplesClaimsNothingOfThem(t *testing.T) {
	dir := workplace(t)
	succeed(t, dir, small("-held-out", "0")...)
	s := summary(t, dir)
	for _, name := range []string{"held_out_accuracy", "held_out_loss"} {
		if value, ok := s[name]; !ok || value != nil {
			t.Errorf("%s is %v, want null", name, value)
		}
	}
}

func TestResultsOfAReplacedRunDoNotOutliveItsModel(t *testing.T) {
	dir := workplace(t)
	succeed(t, dir, small()...)
	fail(t, 130, nil, dir, small("-stop-after", "2")...)
	for _, name := range []string{"summary.json", "loss.svg", "blame.svg"} {
		if _, err := os.Stat(filepath.Join(dir, "run", name)); !os.IsNotExist(err) {
			t.Errorf("%s of the replaced run is still there", name)
		}
	}
}
