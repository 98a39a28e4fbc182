package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const folder = "run"

var (
	oldFiles = map[string]string{"config.json": "old config", "model.safetensors": "old model", "metrics.jsonl": "kept"}
	newFiles = map[string]string{"config.json": "new config", "model.safetensors": "new model", "state.safetensors": "new state"}
	// afterCommit is oldFiles replaced by newFiles.
	afterCommit = map[string]string{
		"config.json": "new config", "model.safetensors": "new model", "state.safetensors": "new state", "metrics.jsonl": "kept",
	}
)

// save replaces the files by newFiles.
func save(fsys filesystem) error {
	g, err := begin(fsys, folder)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(newFiles)) {
		if err := g.Write(name, func(w io.Writer) error { _, err := io.WriteString(w, newFiles[name]); return err }); err != nil {
			return err
		}
	}
	return g.Commit()
}

// outcome of an interrupted save, after recovery: whether the new files stand. Anything but all old or all new fails the test.
func outcome(t *testing.T, s *simulated, when string) (isNew bool) {
	t.Helper()
	if err := recoverDir(s, folder); err != nil {
		t.Fatalf("%s: recovery: %v", when, err)
	}
	switch contents := s.contents(); {
	case maps.Equal(contents, oldFiles):
		return false
	case maps.Equal(contents, afterCommit):
		return true
	default:
		t.Fatalf("%s: a mix of old and new: %q", when, contents)
		panic("unreachable")
	}
}

// eachStep runs test for a kill at each step of action on a new filesystem with oldFiles, until action ends without one. err
// is what action returned.
func eachStep(t *testing.T, action func(filesystem) error, test func(s *simulated, step int, err error)) {
	t.Helper()
	for step := 0; ; step++ {
		s := newSimulated(oldFiles)
		s.failAt = step
		err := action(s)
		killed := s.steps > step
		test(s, step, err)
		if !killed {
			if err != nil || step < 10 {
				t.Fatalf("done after %d steps with error %v", step, err)
			}
			return
		}
	}
}

func TestKillAtAnyStepOfSaveLeavesAllOldOrAllNewFiles(t *testing.T) {
	count := map[bool]int{}
	eachStep(t, save, func(s *simulated, step int, err error) {
		s.restart()
		isNew := outcome(t, s, fmt.Sprintf("kill at step %d", step))
		count[isNew]++
		if err == nil && !isNew {
			t.Errorf("kill at step %d: Commit reported success but the old files stand", step)
		}
		if err != nil && isNew != strings.Contains(err.Error(), "the new checkpoint is complete") {
			t.Errorf("kill at step %d: new files: %t, but the error says %q", step, isNew, err)
		}
	})
	if count[false] < 5 || count[true] < 5 {
		t.Errorf("outcomes old and new: %v, want several of each", count)
	}
}

func TestKillAtAnyStepOfRecoveryDoesNoHarm(t *testing.T) {
	eachStep(t, save, func(_ *simulated, step int, _ error) {
		want := false
		for second := -1; ; second++ {
			s := newSimulated(oldFiles)
			s.failAt = step
			save(s)
			s.restart()
			when := fmt.Sprintf("kill at step %d and at step %d of recovery", step, second)
			if second < 0 { // no second kill: what it has to be like
				want = outcome(t, s, when)
				continue
			}
			s.failAt = second
			err := recoverDir(s, folder)
			s.restart()
			if isNew := outcome(t, s, when); isNew != want {
				t.Fatalf("%s: new files: %t, want %t", when, isNew, want)
			}
			if err == nil {
				break
			}
		}
	})
}

func TestPowerCutAtAnyStepLeavesAllOldOrAllNewFiles(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		eachStep(t, save, func(s *simulated, step int, err error) {
			s.cutPower(random)
			if isNew := outcome(t, s, fmt.Sprintf("seed %d, power cut at step %d", seed, step)); err == nil && !isNew {
				t.Errorf("seed %d, power cut at step %d: Commit reported success but the old files stand", seed, step)
			}
			s.cutPower(random)
			outcome(t, s, fmt.Sprintf("seed %d, power cut at step %d and after recovery", seed, step))
		})
	}
}

func TestFailedStepIsReportedAndTheNextSaveWorks(t *testing.T) {
	for step := 0; ; step++ {
		s := newSimulated(oldFiles)
		s.failAt, s.failure, s.once = step, syscall.ENOSPC, true
		err := save(s)
		done := s.steps <= step
		s.restart()
		switch {
		case err == nil && !done:
			// The failed step was one of cleaning up.
			if got := s.contents(); !maps.Equal(got, afterCommit) {
				t.Errorf("failure at step %d was not reported and left %q", step, got)
			}
		case err != nil:
			if got := s.contents(); strings.Contains(err.Error(), "the last checkpoint is kept") && !maps.Equal(got, oldFiles) {
				t.Errorf("failure at step %d left %q", step, got)
			}
			// Step 0 only looks whether there is something to recover.
			if !errors.Is(err, syscall.ENOSPC) || step > 0 && !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("failure at step %d: %q, want that the disk is full", step, err)
			}
			isNew := outcome(t, s, fmt.Sprintf("failure at step %d", step))
			if !isNew && step > 0 && !strings.Contains(err.Error(), "the last checkpoint is kept") {
				t.Errorf("failure at step %d: %q, want that the last checkpoint is kept", step, err)
			}
		}
		if err := save(s); err != nil {
			t.Errorf("save after a failure at step %d: %v", step, err)
		}
		if got := s.contents(); !maps.Equal(got, afterCommit) {
			t.Errorf("save after a failure at step %d left %q", step, got)
		}
		if done {
			return
		}
	}
}

func TestAbortKeepsTheOldFiles(t *testing.T) {
	s := newSimulated(oldFiles)
	g, err := begin(s, folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Write("config.json", func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	g.Abort()
	if got := s.contents(); !maps.Equal(got, oldFiles) {
		t.Errorf("after Abort: %q", got)
	}
}

func TestErrorOfContentEndsTheGroup(t *testing.T) {
	s := newSimulated(oldFiles)
	g, err := begin(s, folder)
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("no such weight")
	if err := g.Write("config.json", func(io.Writer) error { return cause }); !errors.Is(err, cause) {
		t.Errorf("Write returned %v, want %v", err, cause)
	}
	if got := s.contents(); !maps.Equal(got, oldFiles) {
		t.Errorf("after a failed Write: %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("Commit after a failed Write did not panic")
		}
	}()
	g.Commit()
}
