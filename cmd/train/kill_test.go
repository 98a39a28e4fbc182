//go:build unix

package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"trainer/train"
)

func TestKilledFiftyTimesAlwaysResumes(t *testing.T) {
	t.Run("examples", func(t *testing.T) { t.Parallel(); killAndResume(t, 30) })
	// An epoch of the text is 18 steps and a checkpoint comes each 7, so that they fall on all places of one.
	t.Run("text", func(t *testing.T) { t.Parallel(); killAndResume(t, 20, "-task", "text", "-context", "16") })
}

// killAndResume kills a run again and again, and compares it in the end with one that was left alone.
func killAndResume(t *testing.T, kills int, more ...string) {
	const steps = 2000
	if testing.Short() {
		kills = 5
	}
	flags := append([]string{"-data", "sums.txt", "-out", "run", "-layers", "1", "-d-model", "8", "-heads", "2", "-batch", "8", "-threads", "1",
		"-steps", "2000", "-evaluate-every", "100", "-keep", "2", "-keep-best"}, more...)
	random := rand.New(rand.NewPCG(1, 2))
	dir := workplace(t)
	folder := filepath.Join(dir, "run")
	inSave := 0
	between := 10 * time.Millisecond // from a checkpoint to the next, as measured last
	for kill := range kills {
		p := start(t, dir, append(flags, "-resume", "-save-every", "7")...)
		if kill%5 < 2 { // while it starts
			time.Sleep(time.Duration(random.Int64N(int64(50 * time.Millisecond))))
		} else { // on the way from a checkpoint to another
			saves := 1 + random.IntN(2)
			for range saves {
				before := time.Now()
				if !p.await("checkpoint") {
					t.Fatalf("the run ended before kill %d: exit code %d, %s", kill, p.end(), &p.stderr)
				}
				between = time.Since(before)
			}
			time.Sleep(time.Duration(random.Int64N(int64(min(between, 100*time.Millisecond) + 1))))
		}
		p.kill()
		if p.stderr.Len() > 0 {
			t.Fatalf("kill %d: %s", kill, &p.stderr)
		}
		if cutOff, err := filepath.Glob(filepath.Join(folder, ".checkpoint-*")); err == nil && len(cutOff) > 0 {
			inSave++
		}
	}
	t.Logf("%d of %d kills were in the middle of a save", inSave, kills)
	// The rest of the run saves at its end only, and so does the run that it is compared with: the flag is a part of the state.
	succeed(t, dir, append(flags, "-resume", "-save-every", "0", "-quiet")...)
	whole := workplace(t)
	succeed(t, whole, append(flags, "-save-every", "0", "-quiet")...)
	sameCheckpoint(t, folder, filepath.Join(whole, "run"))
	checkSteps(t, folder, steps)
	// The same checkpoint is the best; which ones are kept besides depends on the kills, and its state names flags, which differ.
	if got, want := bestModel(t, folder), bestModel(t, filepath.Join(whole, "run")); !bytes.Equal(got, want) {
		t.Error("the best checkpoint is not that of the run that was left alone")
	}
	for name := range contents(t, dir) {
		if strings.Contains(name, "/.") {
			t.Errorf("%s was left behind", name)
		}
	}
}

// bestModel is the model file of the checkpoint of a run that did best.
func bestModel(t *testing.T, folder string) []byte {
	t.Helper()
	f, err := train.OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path, _, err := f.Best(train.ByLoss)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(path, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSignalSavesAndSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		dir := workplace(t)
		p := start(t, dir, withoutQuiet(small("-steps", "3000", "-save-every", "0"))...)
		if !p.await("step") {
			t.Fatalf("no step was taken: %s", &p.stderr)
		}
		p.cmd.Process.Signal(signal)
		if code := p.end(); code != 130 {
			t.Errorf("%v: exit code %d, want 130", signal, code)
		}
		for _, text := range []string{"train: interrupted at step ", " of 3,000", "saved", "; go on with:\n  go run ./cmd/train -resume -out run\n"} {
			if !strings.Contains(p.stderr.String(), text) {
				t.Errorf("%v: error %q does not say %q", signal, &p.stderr, text)
			}
		}
		succeed(t, dir, "-resume", "-out", "run", "-quiet")
		sameCheckpoint(t, filepath.Join(dir, "run"), uninterrupted(t, "-steps", "3000", "-save-every", "0"))
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	c := newCommand(dir, withoutQuiet(small("-json"))...)
	c.Stdout = fullPipe(t) // the command hangs in writing its first line, and cannot come to an end by itself
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() { c.Process.Kill() })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "run", ".lock")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the command does not start")
		}
	}
	c.Process.Signal(syscall.SIGINT)
	select {
	case <-ended:
		t.Fatal("the first signal ended the command before it could save")
	case <-time.After(300 * time.Millisecond):
	}
	c.Process.Signal(syscall.SIGINT)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the command goes on after a second signal")
	}
	if code := c.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	succeed(t, dir, small("-resume")...)
}

// fullPipe is the end to write to of a pipe that has no room and no reader.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := w.Write(make([]byte, 4<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Skipf("the pipe takes everything: %v", err)
	}
	return w
}

func TestSecondTrainerIsKeptOut(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	p := start(t, dir, withoutQuiet(small("-steps", "1000000"))...)
	if !p.await("checkpoint") {
		t.Fatalf("no checkpoint: %s", &p.stderr)
	}
	for _, flag := range []string{"-resume", "-overwrite", "-quiet"} {
		fail(t, 1, []string{"run folder run is in use by process " + strconv.Itoa(p.cmd.Process.Pid), "started"}, dir, small(flag)...)
	}
	p.kill() // which frees the folder
	succeed(t, dir, small("-overwrite")...)
}
