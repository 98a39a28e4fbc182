package lockfile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// holderFolder names, in the environment of a child process of a test, the folder whose lock it takes and holds until its
// standard input ends.
const holderFolder = "LOCKFILE_TEST_HOLDER_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holderFolder); dir != "" {
		lock, err := Acquire(dir)
		fmt.Println(err)
		io.Copy(io.Discard, os.Stdin)
		if err == nil {
			lock.Release()
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// startHolder starts a child which tries to take the lock, and returns its error as text. The child ends by end.
func startHolder(t *testing.T, dir string) (child *exec.Cmd, result string, end func()) {
	t.Helper()
	child = exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holderFolder+"="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	result, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return child, strings.TrimSpace(result), func() { stdin.Close(); child.Wait() }
}

const free = "<nil>"

func TestSecondProcessIsToldWhoHasTheLock(t *testing.T) {
	dir := t.TempDir()
	earlier := strings.Repeat("earlier ", 12) // of a process which had the lock before
	if err := os.WriteFile(filepath.Join(dir, name), []byte(earlier), 0o666); err != nil {
		t.Fatal(err)
	}
	child, result, end := startHolder(t, dir)
	defer end()
	if result != free {
		t.Fatalf("first process: %s", result)
	}
	_, err := Acquire(dir)
	if err == nil {
		t.Fatal("two processes have the lock")
	}
	for _, want := range []string{dir, fmt.Sprintf("in use by process %d (started 2", child.Process.Pid)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "earlier") {
		t.Errorf("error %q names an earlier process", err)
	}
}

func TestLockIsFreeAfterRelease(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		lock, err := Acquire(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Acquire(dir); err == nil {
			t.Fatal("the lock was given twice in one process")
		}
		if err := lock.Release(); err != nil {
			t.Fatal(err)
		}
	}
	_, result, end := startHolder(t, dir)
	if end(); result != free {
		t.Errorf("after Release another process gets: %s", result)
	}
}

func TestLockIsFreeAfterAKill(t *testing.T) {
	dir := t.TempDir()
	child, result, end := startHolder(t, dir)
	if result != free {
		t.Fatal(result)
	}
	child.Process.Kill()
	end()
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
}

func TestFoldersAreLockedApart(t *testing.T) {
	for range 2 {
		lock, err := Acquire(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Release()
	}
}

func TestMissingFolderIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	if _, err := Acquire(dir); err == nil || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v", err)
	}
}
