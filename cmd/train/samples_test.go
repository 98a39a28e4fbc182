package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trainer/train"
)

// samplesOf are the lines of a run's samples.jsonl.
func samplesOf(t *testing.T, folder string) (list []train.Sample) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, train.SamplesFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var s train.Sample
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, s)
	}
	return list
}

func TestTheQuestionsOfARunAreAskedBeforeAndAfter(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	succeed(t, dir, small("-evaluate-every", "20")...)
	list := samplesOf(t, filepath.Join(dir, "run"))
	byStep := make(map[int]int)
	last := 0
	for _, s := range list {
		if byStep[s.Step]++; s.Step < last || s.Prompt == "" {
			t.Errorf("sample %+v behind step %d", s, last)
		}
		last = s.Step
	}
	if n := byStep[0]; n == 0 || byStep[60] < n {
		t.Errorf("samples by step are %v: want as many before and after", byStep)
	}
}

func TestTheQuestionsAreAskedOnTheWayAsOftenAsTheirShareOfTheTimeAllows(t *testing.T) {
	begun := time.Now()
	p := newSampler(nil, 10*time.Millisecond, nil)
	if wait := p.next.Sub(begun); wait < 2*time.Second || wait > 3*time.Second {
		t.Errorf("behind 10 ms it asks again in %v, want 2 s", wait)
	}
	p.Evaluated(1, nil) // too early: it does not ask, or there would be a panic

	dir := workplace(t)
	process := start(t, dir, withoutQuiet(small("-steps", "1000000", "-evaluate-every", "20"))...)
	defer process.kill()
	for end := time.Now().Add(20 * time.Second); ; {
		if !process.await("evaluation") || time.Now().After(end) {
			t.Fatalf("nothing was asked on the way: %s", &process.stderr)
		}
		list := samplesOf(t, filepath.Join(dir, "run"))
		if last := list[len(list)-1].Step; last > 0 {
			return
		}
	}
}

func TestARunThatGoesOnAsksEachStepOnce(t *testing.T) {
	t.Parallel()
	dir := stopped(t)
	folder := filepath.Join(dir, "run")
	before := samplesOf(t, folder)
	succeed(t, dir, "-resume", "-out", "run", "-quiet")
	after := samplesOf(t, folder)
	if len(after) != 3*len(before) {
		t.Errorf("%d samples before the stop, %d in all; want those of the beginning, of the stop and of the end", len(before), len(after))
	}
}
