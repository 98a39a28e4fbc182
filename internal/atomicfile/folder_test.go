package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// keptName is a folder of the tests, inside of another.
const keptName = "kept/one"

// keptFiles are oldFiles and a folder with those of them that belong together.
func keptFiles() map[string]string {
	files := maps.Clone(oldFiles)
	files["kept"], files[keptName] = "folder", "folder"
	for _, name := range []string{"config.json", "model.safetensors"} {
		files[keptName+"/"+name] = oldFiles[name]
	}
	return files
}

func linkOne(fsys filesystem) error {
	return link(fsys, folder, []string{"config.json", "model.safetensors"}, filepath.Join(folder, keptName))
}

func removeOne(fsys filesystem) error { return remove(fsys, filepath.Join(folder, keptName)) }

// wholeOrNone fails unless recovery leaves the whole kept folder or none, besides the files it is made of. It returns which.
func wholeOrNone(t *testing.T, s *simulated, when string) (whole bool) {
	t.Helper()
	if err := recoverFolders(s, filepath.Join(folder, "kept")); err != nil {
		t.Fatalf("%s: recovery: %v", when, err)
	}
	contents := s.contents()
	if maps.Equal(contents, keptFiles()) {
		return true
	}
	delete(contents, "kept") // empty, or not made yet
	if !maps.Equal(contents, oldFiles) {
		t.Fatalf("%s: left %q", when, s.contents())
	}
	return false
}

func TestAFolderIsMadeAndRemovedWholeOrNotAtAll(t *testing.T) {
	for _, noLinks := range []bool{false, true} {
		for name, action := range map[string]func(filesystem) error{"link": linkOne, "remove": removeOne} {
			seen := map[bool]int{}
			for seed := range uint64(30) {
				random := rand.New(rand.NewPCG(seed, 1))
				for step, done := 0, false; !done; step++ {
					s := newSimulated(oldFiles)
					s.noLinks = noLinks
					if name == "remove" {
						if err := linkOne(s); err != nil {
							t.Fatal(err)
						}
					}
					s.restart()
					s.failAt = step
					err := action(s)
					done = s.steps <= step
					if seed == 0 {
						s.restart() // a kill of the process alone
					} else {
						s.cutPower(random)
					}
					whole := wholeOrNone(t, s, fmt.Sprintf("%s, no links %t, seed %d, stopped at step %d", name, noLinks, seed, step))
					seen[whole]++
					if err == nil && whole != (name == "link") {
						t.Errorf("%s, seed %d, stopped at step %d: it reported success, and the whole folder is there: %t", name, seed, step, whole)
					}
				}
			}
			if seen[true] < 30 || seen[false] < 30 {
				t.Errorf("%s: the folder was there and not there %v times, want many of each", name, seen)
			}
		}
	}
}

func TestAFolderThatExistsIsLeftAsItIs(t *testing.T) {
	s := newSimulated(oldFiles)
	if err := linkOne(s); err != nil {
		t.Fatal(err)
	}
	if err := save(s); err != nil {
		t.Fatal(err)
	}
	if err := linkOne(s); err != nil {
		t.Fatal(err)
	}
	if got := s.contents()[keptName+"/model.safetensors"]; got != "old model" {
		t.Errorf("the folder has %q, want what was there when it was made", got)
	}
}

func TestALinkThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	for step := 1; ; step++ {
		s := newSimulated(oldFiles)
		s.failAt, s.failure, s.once, s.noLinks = step, syscall.ENOSPC, true, true
		err := linkOne(s)
		if s.steps <= step {
			return
		}
		s.restart()
		if err != nil && !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("failure at step %d: %v", step, err)
		}
		wholeOrNone(t, s, fmt.Sprintf("failure at step %d", step))
	}
}

func TestLinkedFilesKeepTheirContentWhenTheirOriginIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := saveModel(dir, []byte("one")); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "kept", "one")
	if err := Link(dir, []string{"model"}, to); err != nil {
		t.Fatal(err)
	}
	if err := saveModel(dir, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(to, "model")); string(text) != "one" {
		t.Errorf("the kept file has %q, %v", text, err)
	}
	if err := errors.Join(Remove(to), RecoverFolders(filepath.Dir(to)), RecoverFolders(filepath.Join(dir, "none"))); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// saveModel replaces the file model of a folder.
func saveModel(dir string, content []byte) error {
	g, err := Begin(dir)
	if err != nil {
		return err
	}
	if err := g.Write("model", func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil {
		return err
	}
	return g.Commit()
}
