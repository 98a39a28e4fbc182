package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/model"
)

func TestARunWithDropoutGoesOnToTheSameWeightsAndSaysSoInItsConfig(t *testing.T) {
	t.Parallel()
	dir := workplace(t, "book.txt", rhyme())
	baseModel(t, dir, "base")
	onBook := func(arguments ...string) []string {
		return tuned(append(arguments, "-data", "book.txt", "-context", "16", "-quiet")...)
	}
	weights := func(run string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, run, model.WeightsFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	succeed(t, dir, onBook("-out", "without")...)
	succeed(t, dir, onBook("-out", "whole", "-dropout", "0.2", "-accumulate", "2", "-threads", "2")...)
	succeed(t, dir, onBook("-out", "again", "-dropout", "0.2", "-accumulate", "2", "-threads", "2", "-recompute")...)
	stopped := command(t, dir, onBook("-out", "parts", "-dropout", "0.2", "-accumulate", "2", "-threads", "2", "-stop-after", "13")...)
	if stopped.code != fault.ExitInterrupted {
		t.Fatalf("stopped with %+v", stopped)
	}
	fail(t, fault.ExitUsage, []string{"-dropout", "0.2"}, dir, "-resume", "-out", "parts", "-dropout", "0.1", "-quiet")
	succeed(t, dir, "-resume", "-out", "parts", "-quiet")
	if weights("parts") != weights("whole") || weights("again") != weights("whole") || weights("whole") == weights("without") {
		t.Errorf("the weights are those of the whole run: resumed %t, recomputed %t, without dropout %t; want true, true, false",
			weights("parts") == weights("whole"), weights("again") == weights("whole"), weights("without") == weights("whole"))
	}
	for run, want := range map[string]string{"whole": `"embd_pdrop": 0.2,`, "without": `"embd_pdrop": 0,`} {
		if config := contents(t, filepath.Join(dir, run))[model.ConfigFile]; !strings.Contains(config, want) {
			t.Errorf("the configuration of the run %s has no %s:\n%s", run, want, config)
		}
	}
	// What the folder says about its own training does not count where another run begins with it.
	succeed(t, dir, onBook("-init-from", "whole", "-out", "further", "-steps", "2")...)
	if config := contents(t, filepath.Join(dir, "further"))[model.ConfigFile]; !strings.Contains(config, `"embd_pdrop": 0,`) {
		t.Errorf("a run that begins with another's weights took over its dropout:\n%s", config)
	}
}
