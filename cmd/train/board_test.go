package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// python runs a script with the interpreter that TRAINER_PYTHON names, which needs the package tensorboard.
func python(t *testing.T, script string, args ...string) {
	t.Helper()
	interpreter := os.Getenv("TRAINER_PYTHON")
	if interpreter == "" {
		t.Skip("TRAINER_PYTHON names no python with tensorboard")
	}
	if output, err := exec.Command(interpreter, append([]string{"-c", script}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

func TestTensorBoardShowsWhatMetricsTell(t *testing.T) {
	t.Parallel()
	dir := stopped(t, "-tensorboard", "-task", "text", "-context", "16", "-evaluate-every", "10")
	// A process that was killed behind its last checkpoint, and one that goes on from there.
	p := start(t, dir, "-resume", "-out", "run", "-quiet=false", "-save-every", "0", "-steps", "100000")
	if !p.await("step") {
		t.Fatalf("no step was taken: %s", &p.stderr)
	}
	p.kill()
	succeed(t, dir, "-resume", "-out", "run", "-quiet", "-steps", "60")
	python(t, `
import sys, json, math
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
run = sys.argv[1]
a = EventAccumulator(run + "/tensorboard", size_guidance={"scalars": 0, "tensors": 0}).Reload()
lines = [json.loads(line) for line in open(run + "/metrics.jsonl")]
names = {"train/loss": "loss", "train/accuracy": "accuracy", "train/learning_rate": "lr", "train/gradient_norm": "gradient_norm",
         "train/tokens_per_second": "tokens_per_second", "held_out/loss": "held_out_loss", "held_out/accuracy": "held_out_accuracy",
         "held_out/bits_per_byte": "held_out_bits_per_byte"}
for stage in lines[0]["blame"]:
    names["blame/" + stage] = stage
for tag, name in names.items():
    want = [(l["step"], l.get("blame", l)[name] if tag.startswith("blame/") else l[name]) for l in lines
            if (name in l if not tag.startswith("blame/") else "blame" in l)]
    got = [(e.step, e.value) for e in a.Scalars(tag)]
    assert len(want) > 1 and [s for s, _ in got] == [s for s, _ in want], (tag, got, want)
    for (_, g), (_, w) in zip(got, want):
        assert math.isclose(g, w, rel_tol=1e-5 if name != "tokens_per_second" else 1e-2), (tag, g, w)
assert set(a.Tags()["scalars"]) == set(names) | {"held_out/perplexity"}, a.Tags()
p = a.Scalars("held_out/perplexity")[0].value
assert math.isclose(p, math.exp(a.Scalars("held_out/loss")[0].value), rel_tol=1e-4), p
texts = a.Tensors("answers")
assert [t.step for t in texts][0] == 0 and [t.step for t in texts][-1] == 60, texts
assert b"\n" in texts[0].tensor_proto.string_val[0]
`, filepath.Join(dir, "run"))
}

func TestNewRunBeginsWithoutTheEventFilesOfTheOld(t *testing.T) {
	t.Parallel()
	dir := stopped(t, "-tensorboard")
	files := func() []string {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(dir, "run", "tensorboard", "events.out.tfevents.*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if len(files()) != 1 {
		t.Errorf("event files: %q", files())
	}
	succeed(t, dir, small("-overwrite", "-steps", "3")...)
	if len(files()) != 0 {
		t.Errorf("event files of the run that was replaced: %q", files())
	}
}

func TestRunThatCannotTellTensorBoardIsSavedAndSaysWhy(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run", "tensorboard"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	fail(t, 1, []string{"run/tensorboard", "not a directory"}, dir, small("-tensorboard")...)
}
