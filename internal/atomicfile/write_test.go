package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// saveConfig replaces one file.
func saveConfig(fsys filesystem) error {
	return write(fsys, folder+"/config.json", func(w io.Writer) error { _, err := io.WriteString(w, "new config"); return err })
}

func TestKillOrPowerCutAtAnyStepOfWriteLeavesOldOrNewContent(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		for step := 0; ; step++ {
			s := newSimulated(oldFiles)
			s.failAt = step
			err := saveConfig(s)
			if seed == 0 {
				s.restart()
			} else {
				s.cutPower(random)
			}
			got := s.contents()["config.json"]
			if got != "new config" && (got != "old config" || err == nil) {
				t.Fatalf("seed %d, step %d: content %q, error %v", seed, step, got, err)
			}
			if err == nil {
				break
			}
		}
	}
}

func TestFailedWriteLeavesTheFolderAsItWas(t *testing.T) {
	for step := range 5 { // create, write, sync, close, rename
		s := newSimulated(oldFiles)
		s.failAt, s.once = step, true
		if err := saveConfig(s); err == nil || !strings.Contains(err.Error(), "run/config.json") {
			t.Errorf("failure at step %d: error %v, want one that names the file", step, err)
		}
		if got := s.contents(); !maps.Equal(got, oldFiles) {
			t.Errorf("failure at step %d left %q", step, got)
		}
	}
}

func TestWriteReplacesAFileOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"", "one", strings.Repeat("long", bufferSize)} {
		if err := Write(path, func(w io.Writer) error { _, err := io.WriteString(w, content); return err }); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Fatalf("%d bytes, error %v, want %d", len(got), err, len(content))
		}
	}
	cause := errors.New("cause")
	if err := Write(path, func(w io.Writer) error { fmt.Fprint(w, "half"); return cause }); !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	func() {
		defer func() { recover() }()
		Write(path, func(io.Writer) error { panic("content") })
	}()
	if names, _ := (disk{}).list(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the folder has %q, want the file alone", names)
	}
}

func TestWriteSaysThatTheFolderIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "file")
	err := Write(path, func(io.Writer) error { return nil })
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

func TestRecoverRemovesWhatAKilledWriteLeft(t *testing.T) {
	dir := t.TempDir()
	kept := []string{".hidden", ".notes.tmp", "file", "file.ABCDEFGH.tmp"}
	for _, name := range append(kept, temporaryName("file")) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := Recover(dir); err != nil {
		t.Fatal(err)
	}
	if names, err := (disk{}).list(dir); err != nil || !slices.Equal(names, kept) {
		t.Errorf("the folder has %q, error %v; want %q", names, err, kept)
	}
}
