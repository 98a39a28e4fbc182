package tensorboard

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

func create(t testing.TB, dir string, step int) *Writer {
	t.Helper()
	w, err := Create(dir, step)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// scalars writes a step, whose numbers tell which process they are of.
func scalars(t testing.TB, w *Writer, step int, process float64) {
	t.Helper()
	list := []Scalar{{"train/loss", process + float64(step)/1000}, {"blame/attention 1", 0.25}}
	if err := w.Scalars(step, time.Unix(1700000000+int64(step), 5e8), list); err != nil {
		t.Fatal(err)
	}
}

func closed(t testing.TB, w *Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTensorBoardReadsWhatWasWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "tensorboard")
	w := create(t, dir, 0)
	for step := 1; step <= 5; step++ {
		scalars(t, w, step, 1)
	}
	if err := w.Scalars(6, time.Now(), []Scalar{{"odd", math.NaN()}, {"größe", math.Inf(-1)}, {"huge", 1e300}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Text(5, time.Now(), "samples", "**two** plus\n\nthree"); err != nil {
		t.Fatal(err)
	}
	if err := w.Scalars(math.MaxInt32, time.Now(), []Scalar{{"late", -1}}); err != nil {
		t.Fatal(err)
	}
	closed(t, w)
	python(t, `
import sys, math
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0}).Reload()
assert sorted(a.Tags()["scalars"]) == sorted(["train/loss", "blame/attention 1", "odd", "größe", "huge", "late"]), a.Tags()
loss = a.Scalars("train/loss")
assert [e.step for e in loss] == [1, 2, 3, 4, 5], loss
assert [round(e.value, 6) for e in loss] == [1.001, 1.002, 1.003, 1.004, 1.005], loss
assert [e.wall_time for e in loss] == [1700000000.5 + s for s in range(1, 6)], loss
assert math.isnan(a.Scalars("odd")[0].value) and a.Scalars("größe")[0].value == -math.inf and a.Scalars("huge")[0].value == math.inf
assert a.Scalars("late")[0].step == 2**31 - 1
text = a.Tensors("samples")[0]
assert text.step == 5 and text.tensor_proto.string_val[0] == b"**two** plus\n\nthree", text
assert a.SummaryMetadata("samples").plugin_data.plugin_name == "text"
assert a.file_version == 2, a.file_version
`, dir)
}

func TestTensorBoardForgetsStepsBehindTheCheckpointOfAResumedRun(t *testing.T) {
	dir := t.TempDir()
	first := create(t, dir, 0)
	for step := 1; step <= 9; step++ {
		scalars(t, first, step, 1)
	}
	closed(t, first)
	// The process was killed in the middle of a record, and the next one begins within the same second.
	data, err := os.ReadFile(first.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first.path, data[:len(data)-5], 0o666); err != nil {
		t.Fatal(err)
	}
	second := create(t, dir, 4)
	scalars(t, second, 5, 2)
	closed(t, second)
	third := create(t, dir, 5)
	scalars(t, third, 6, 3)
	closed(t, third)
	if first.path >= second.path || second.path >= third.path {
		t.Errorf("TensorBoard would not read the files in order: %s, %s, %s", first.path, second.path, third.path)
	}
	python(t, `
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
for a in EventAccumulator(sys.argv[1]).Reload(), EventAccumulator(sys.argv[1]).Reload().Reload():
    got = [(e.step, round(e.value, 3)) for e in a.Scalars("train/loss")]
    assert got == [(1, 1.001), (2, 1.002), (3, 1.003), (4, 1.004), (5, 2.005), (6, 3.006)], got
`, dir)
}

func TestARecordIsFramedAsTensorFlowDoes(t *testing.T) {
	var event message
	event.double(eventTime, 1)
	event.text(eventFileVersion, "brain.Event:2")
	// What TensorBoard's RecordWriter makes of Event(wall_time=1, file_version="brain.Event:2").
	want := "before\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7fK\"" +
		"\t\x00\x00\x00\x00\x00\x00\xf0?\x1a\rbrain.Event:2" + "\x86\xbfWz"
	if got := appendRecord([]byte("before"), event); string(got) != want {
		t.Errorf("the record is %q, want %q", got, want)
	}
}

func TestAStepAllocatesNothing(t *testing.T) {
	w := create(t, t.TempDir(), 0)
	list := []Scalar{{"train/loss", 1}, {"blame/attention 1", 2}}
	at := time.Now()
	step := 0
	if n := testing.AllocsPerRun(2000, func() {
		step++
		if err := w.Scalars(step, at, list); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a step allocates %g times", n)
	}
	closed(t, w)
}

func TestEventFilesAloneAreRemoved(t *testing.T) {
	dir := t.TempDir()
	closed(t, create(t, dir, 0))
	other := filepath.Join(dir, "notes")
	if err := os.WriteFile(other, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "notes" {
		t.Errorf("left are %v, %v; want what is no event file", entries, err)
	}
	if err := Remove(filepath.Join(dir, "none")); err != nil {
		t.Errorf("a folder that is missing: %v", err)
	}
}

func TestAnErrorNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file, 0); err == nil || !strings.Contains(err.Error(), "cannot save "+file) {
		t.Errorf("a file in the folder's place: %v", err)
	}
	w := create(t, dir, 0)
	w.file.Close()
	scalars(t, w, 1, 1)
	for range 2 {
		if err := w.Flush(); err == nil || !strings.Contains(err.Error(), "cannot save "+w.path) {
			t.Errorf("error %v, want one that names the file", err)
		}
	}
}
