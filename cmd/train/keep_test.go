package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trainer/model"
)

// keptIn are the names of the kept checkpoints of a run.
func keptIn(t testing.TB, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestKeptCheckpointIsARunFolderFromWhichARunGoesOn(t *testing.T) {
	t.Parallel()
	flags := []string{"-save-every", "10", "-keep", "2"}
	folder := uninterrupted(t, flags...)
	if got := keptIn(t, folder); !slices.Equal(got, []string{"step-000040", "step-000050"}) {
		t.Errorf("%q are kept, want the two before step 60", got)
	}
	dir := workplace(t)
	if err := os.CopyFS(filepath.Join(dir, "run"), os.DirFS(filepath.Join(folder, "checkpoints", "step-000040"))); err != nil {
		t.Fatal(err)
	}
	succeed(t, dir, "-resume", "-out", "run", "-quiet")
	sameCheckpoint(t, filepath.Join(dir, "run"), folder)
}

func TestNewRunBeginsWithoutTheKeptCheckpointsOfTheOld(t *testing.T) {
	t.Parallel()
	dir := stopped(t, "-save-every", "5", "-keep", "9")
	folder := filepath.Join(dir, "run")
	if got := keptIn(t, folder); len(got) != 4 {
		t.Errorf("%q are kept, want those of 0, 5, 10 and 15 steps", got)
	}
	succeed(t, dir, small("-overwrite", "-save-every", "0", "-steps", "3", "-keep", "0")...)
	if got := keptIn(t, folder); len(got) != 0 {
		t.Errorf("%q are kept of the run that was replaced", got)
	}
}

func TestTheCourseOfASmallModelIsKept(t *testing.T) {
	t.Parallel()
	folder := uninterrupted(t, "-save-every", "20")
	if got := keptIn(t, folder); !slices.Equal(got, []string{"step-000000", "step-000020", "step-000040"}) {
		t.Errorf("%q are kept, want all before the last one", got)
	}
	for config, want := range map[model.Config]int{
		model.Calculator(35): 20,
		{Layers: 12, Heads: 12, Width: 768, MLPWidth: 3072, VocabSize: 50257, Context: 1024}: 0,
	} {
		if got := smallCheckpoints(config); got != want {
			t.Errorf("%d of a model of %d weights, want %d", got, config.NumParameters(), want)
		}
	}
}

func TestPolicyOfKeepingMayChangeOnTheWay(t *testing.T) {
	t.Parallel()
	dir := stopped(t, "-save-every", "5", "-keep", "9")
	succeed(t, dir, "-resume", "-out", "run", "-quiet", "-keep", "1", "-keep-best=accuracy", "-evaluate-every", "10")
	got := keptIn(t, filepath.Join(dir, "run"))
	if len(got) < 1 || len(got) > 2 || !slices.Contains(got, "step-000055") {
		t.Errorf("%q are kept, want step 55 and the best", got)
	}
	fail(t, 2, []string{`-keep-best "worst": expected loss or accuracy`}, dir, "-resume", "-out", "run", "-keep-best=worst")
	fail(t, 2, []string{"-keep -1", "0 checkpoints"}, dir, "-resume", "-out", "run", "-keep", "-1")
	fail(t, 2, []string{"-keep-best", "-held-out 0"}, dir, small("-overwrite", "-keep-best", "-held-out", "0")...)
}

func TestScreenNamesTheBestCheckpoint(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	o := succeed(t, dir, withoutQuiet(small("-keep-best"))...)
	want := "run/checkpoints/" + keptIn(t, filepath.Join(dir, "run"))[0]
	if !strings.Contains(o.stdout, want) {
		t.Errorf("the screen does not name %s: %s", want, o.stdout)
	}
}
