package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/arithmetic"
)

// asCommand makes the test binary, in the environment of a child process, the command itself.
const asCommand = "TRAIN_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// newCommand is the command with a working folder, not yet started.
func newCommand(dir string, arguments ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], arguments...)
	c.Dir = dir
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

// outcome is what a command left.
type outcome struct {
	stdout, stderr string
	code           int
}

// command runs the command in a folder to its end.
func command(t testing.TB, dir string, arguments ...string) outcome {
	t.Helper()
	c := newCommand(dir, arguments...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// succeed runs a command that must end without error.
func succeed(t testing.TB, dir string, arguments ...string) outcome {
	t.Helper()
	o := command(t, dir, arguments...)
	if o.code != 0 || o.stderr != "" {
		t.Fatalf("train %s: exit code %d, error %s", strings.Join(arguments, " "), o.code, o.stderr)
	}
	return o
}

// fail runs a command that must end with an exit code and one line of error that says all of texts.
func fail(t testing.TB, code int, texts []string, dir string, arguments ...string) outcome {
	t.Helper()
	o := command(t, dir, arguments...)
	if o.code != code {
		t.Errorf("train %s: exit code %d, want %d: %s", strings.Join(arguments, " "), o.code, code, o.stderr)
	}
	for _, text := range append(texts, "train: ") {
		if !strings.Contains(o.stderr, text) {
			t.Errorf("train %s: error %q does not say %q", strings.Join(arguments, " "), o.stderr, text)
		}
	}
	if strings.Contains(o.stderr, "goroutine") || strings.Contains(o.stderr, "%!") {
		t.Errorf("train %s: the error is not for people: %s", strings.Join(arguments, " "), o.stderr)
	}
	return o
}

// sums is a data file: the sums of two numbers up to nine.
func sums() string {
	var text strings.Builder
	for a := range 10 {
		for b := range 10 {
			fmt.Fprintf(&text, "%s plus %s equals %s\n", arithmetic.Number(a), arithmetic.Number(b), arithmetic.Number(a+b))
		}
	}
	return text.String()
}

// workplace is a new folder with sums.txt and whatever else the test names, name and text in turns.
func workplace(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, files := 0, append(files, "sums.txt", sums()); i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// small are the flags of a run that takes milliseconds, kept in the folder run.
func small(more ...string) []string {
	return append([]string{"-data", "sums.txt", "-out", "run", "-layers", "1", "-d-model", "8", "-heads", "2", "-batch", "8", "-threads", "1",
		"-steps", "60", "-quiet"}, more...)
}

// contents are the files of a folder and those below it by name, and folders with a slash. The lock, which names its last holder, is left out.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, dir+"/")
		switch {
		case err != nil || entry.Name() == ".lock":
			return err
		case entry.IsDir():
			files[name+"/"] = ""
			return nil
		}
		text, err := os.ReadFile(path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sameContents checks that two folders hold files of the same names and bytes.
func sameContents(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if other, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		} else if other != text {
			t.Errorf("%s has other bytes (%d, expected %d)", name, len(other), len(text))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s should not exist", name)
		}
	}
}

// sameCheckpoint checks that two run folders hold the same weights and the same state, byte for byte.
func sameCheckpoint(t testing.TB, got, want string) {
	t.Helper()
	t.Helper()
	a, b := contents(t, got), contents(t, want)
	for _, name := range []string{"model.safetensors", "state.safetensors", "config.json", "tokenizer.json"} {
		if a[name] != b[name] || a[name] == "" {
			t.Errorf("%s of %s is not that of %s", name, got, want)
		}
	}
}

// object is a line of JSON.
type object map[string]any

// objects reads one JSON object a line.
func objects(t testing.TB, text string) []object {
	t.Helper()
	var list []object
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o object
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatalf("line %d: %v: %s", len(list)+1, err, lines.Bytes())
		}
		list = append(list, o)
	}
	return list
}
