package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// uninterrupted is the folder of a run with the flags of small and more, taken to its end at once.
func uninterrupted(t testing.TB, more ...string) string {
	t.Helper()
	dir := workplace(t)
	succeed(t, dir, small(more...)...)
	return filepath.Join(dir, "run")
}

// stopped is a working folder with a run that stopped at step 20.
func stopped(t testing.TB, more ...string) string {
	t.Helper()
	dir := workplace(t)
	says := []string{"interrupted at step 20 of 60", "saved", "go run ./cmd/train -resume -out run"}
	fail(t, 130, says, dir, small(append(more, "-stop-after", "20")...)...)
	return dir
}

func TestUnfinishedRunIsOnlyReplacedOnRequest(t *testing.T) {
	t.Parallel()
	dir := stopped(t)
	before := contents(t, dir)
	fail(t, 2, []string{"run holds an unfinished run, at step 20 of 60", "-resume", "-overwrite", "-out"}, dir, small()...)
	sameContents(t, contents(t, dir), before)
	succeed(t, dir, small("-overwrite", "-seed", "2")...)
	sameCheckpoint(t, filepath.Join(dir, "run"), uninterrupted(t, "-seed", "2"))
}

func TestFinishedRunIsKeptBesideTheNewOne(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	succeed(t, dir, small("-steps", "70")...)
	o := succeed(t, dir, withoutQuiet(small())...)
	if !strings.Contains(o.stdout, "the finished run in it is now run.previous") {
		t.Errorf("the screen does not say where the earlier run is kept: %s", o.stdout)
	}
	sameCheckpoint(t, filepath.Join(dir, "run.previous"), uninterrupted(t, "-steps", "70"))
	sameCheckpoint(t, filepath.Join(dir, "run"), uninterrupted(t))
	checkSteps(t, filepath.Join(dir, "run"), 60)
	succeed(t, dir, small("-steps", "3")...)
	sameCheckpoint(t, filepath.Join(dir, "run.previous"), uninterrupted(t, "-steps", "70"))
	sameCheckpoint(t, filepath.Join(dir, "run.previous-2"), uninterrupted(t))
}

func TestARunIsKeptApartFromItsData(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"books", "runs/books"}, {"runs/books", "runs/books-model"}, {"runs/books/part.txt", "runs/part"}, {"runs", "runs/runs-model"}, {"runs/../runs/a.txt", "runs/a"},
	} {
		a := defaults()
		a.data = c.data
		if got := filepath.ToSlash(a.runFolder()); got != c.want {
			t.Errorf("-data %s is trained on in %s, want %s", c.data, got, c.want)
		}
	}
	dir := workplace(t)
	fail(t, 2, []string{"-out sums.txt and -data sums.txt", "apart from the data"}, dir, small("-out", "sums.txt", "-data", "sums.txt")...)
	fail(t, 2, []string{"-out . and -data sums.txt"}, dir, small("-out", ".", "-data", "sums.txt")...)
}

func TestRunThatReachedItsTargetIsFinished(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	// Asked about what it has learned by heart, the model reaches any target well before the last step.
	target := small("-steps", "1000000", "-lr", "0.01", "-warmup", "0", "-schedule", "constant", "-eval-data", "sums.txt", "-evaluate-every", "5",
		"-target-accuracy", "0.05")
	o := succeed(t, dir, target...)
	if strings.Contains(o.stdout, "1,000,000 steps") || strings.HasPrefix(o.stdout, "held-out accuracy 0") {
		t.Errorf("the run did not stop at its target: %s", o.stdout)
	}
	succeed(t, dir, target...)
}

func TestResumeWithoutACheckpointStartsAtTheBeginning(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", "run"} {
		dir := workplace(t)
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o777); err != nil {
			t.Fatal(err)
		}
		o := succeed(t, dir, withoutQuiet(small("-resume"))...)
		if !strings.Contains(o.stdout, "There is no checkpoint in run to go on from: starting at step 0.") {
			t.Errorf("the screen does not say that the run begins: %s", o.stdout)
		}
		sameCheckpoint(t, filepath.Join(dir, "run"), uninterrupted(t))
	}
}

func TestResumedRunEqualsAnUninterruptedOne(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{
		{}, {"-batch", "64", "-accumulate", "2", "-threads", "2", "-positions", "sinusoidal"}, {"-optimizer", "sgd", "-lr", "0.1", "-tied"},
		{"-positions", "rotary", "-loss", "all", "-repeat", "plus=3", "-schedule", "linear", "-final-lr", "1e-4"},
	} {
		dir := stopped(t, flags...)
		fail(t, 130, []string{"interrupted at step 41 of 60"}, dir, "-resume", "-out", "run", "-stop-after", "41", "-quiet")
		succeed(t, dir, "-resume", "-out", "run", "-quiet")
		sameCheckpoint(t, filepath.Join(dir, "run"), uninterrupted(t, flags...))
		checkSteps(t, filepath.Join(dir, "run"), 60)
	}
}

// checkSteps checks that metrics.jsonl has every step once, in order.
func checkSteps(t testing.TB, folder string, steps int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	last := 0.0
	for _, line := range objects(t, string(text)) {
		if _, ok := line["loss"]; !ok { // an evaluation
			continue
		}
		if last++; line["step"] != last {
			t.Fatalf("step %v stands where step %v belongs", line["step"], last)
		}
	}
	if last != float64(steps) {
		t.Errorf("%v steps, want %d", last, steps)
	}
}

func TestResumedRunRefusesContradictionsByName(t *testing.T) {
	t.Parallel()
	dir := stopped(t)
	before := contents(t, dir)
	for _, test := range []struct {
		arguments string
		says      []string
	}{
		{"-d-model 16", []string{"-d-model 16", "-d-model 8"}},
		{"-heads 1", []string{"-heads 1", "-heads 2"}},
		{"-layers 2", []string{"-layers 2", "-layers 1"}},
		{"-context 12", []string{"-context 12", "-context 8"}},
		{"-positions rotary", []string{"-positions rotary", "-positions learned"}},
		{"-tied", []string{"-tied true", "-tied false"}},
		{"-lr 0.1", []string{"-lr 0.1", "-lr 0.003"}},
		{"-batch 4", []string{"-batch 4", "-batch 8"}},
		{"-optimizer sgd", []string{"-optimizer sgd", "-optimizer adamw"}},
		{"-seed 2", []string{"-seed 2", "-seed 1"}},
		{"-held-out 0.2", []string{"-held-out 0.2", "-held-out 0.1"}},
		{"-split-seed 1", []string{"-split-seed 1", "-split-seed 7"}},
		{"-loss all", []string{"-loss all", "-loss answer"}},
		{"-repeat plus=2", []string{"-repeat plus=2"}},
	} {
		says := append(test.says, "the run was begun with", "-out")
		fail(t, 2, says, dir, append([]string{"-resume", "-out", "run"}, strings.Fields(test.arguments)...)...)
	}
	sameContents(t, contents(t, dir), before)
}

func TestResumedRunRefusesOtherData(t *testing.T) {
	t.Parallel()
	dir := stopped(t)
	other := strings.Replace(sums(), "one plus one equals two", "one plus one equals three", 1)
	if err := os.WriteFile(filepath.Join(dir, "sums.txt"), []byte(other), 0o666); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	fail(t, 3, []string{"state.safetensors", "the training data is not that of the run"}, dir, "-resume", "-out", "run")
	sameContents(t, contents(t, dir), before)
}

func TestDataMayMoveBetweenTheProcessesOfARun(t *testing.T) {
	t.Parallel()
	dir := stopped(t)
	if err := os.Rename(filepath.Join(dir, "sums.txt"), filepath.Join(dir, "moved.txt")); err != nil {
		t.Fatal(err)
	}
	fail(t, 3, []string{"-data", "sums.txt"}, dir, "-resume", "-out", "run")
	succeed(t, dir, "-resume", "-out", "run", "-data", "moved.txt", "-quiet")
}

func TestFinishedRunHasNothingToResume(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	succeed(t, dir, small()...)
	before := contents(t, dir)
	o := succeed(t, dir, "-resume", "-out", "run")
	if !strings.Contains(o.stdout, "Nothing is left to do: the run in run has taken all its 60 steps.\nAsk it with: go run ./cmd/generate -model run") {
		t.Errorf("printed %q", o.stdout)
	}
	sameContents(t, contents(t, dir), before)
}

func TestFinishedRunGoesOnWithMoreSteps(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	succeed(t, dir, small("-schedule", "constant", "-warmup", "6")...)
	succeed(t, dir, "-resume", "-out", "run", "-steps", "90", "-quiet")
	folder := filepath.Join(dir, "run")
	sameCheckpoint(t, folder, uninterrupted(t, "-schedule", "constant", "-warmup", "6", "-steps", "90"))
	checkSteps(t, folder, 90)
	var summary struct{ Steps int }
	text, err := os.ReadFile(filepath.Join(folder, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &summary); err != nil || summary.Steps != 90 {
		t.Errorf("summary.json: %d steps, %v", summary.Steps, err)
	}
}

func TestRunFolderIsNamedAfterTheData(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	succeed(t, dir, "-data", "sums.txt", "-steps", "1", "-quiet")
	if _, err := os.Stat(filepath.Join(dir, "runs", "sums", "model.safetensors")); err != nil {
		t.Error(err)
	}
}

func TestRunInAFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	before := contents(t, dir)
	fail(t, 1, []string{"run folder", "sums.txt", "not a directory"}, dir, "-out", "sums.txt", "-steps", "1")
	sameContents(t, contents(t, dir), before)
}
