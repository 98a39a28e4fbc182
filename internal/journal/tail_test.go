package journal

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestATailReadsEachLineOnceWhenItIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	tail := &Tail{Open: func() (*os.File, error) { return os.Open(path) }}
	restarts := 0
	read := func() (lines []string) {
		t.Helper()
		if err := tail.Lines(func() { restarts++ }, func(line []byte) { lines = append(lines, string(line)) }); err != nil {
			t.Fatal(err)
		}
		return lines
	}
	write := func(text string, flags int) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o666)
		if err == nil {
			_, err = file.WriteString(text)
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		change   func()
		want     []string
		restarts int
	}{
		{func() {}, nil, 0}, // there is no file
		{func() { write("a\nb\nc", os.O_APPEND) }, []string{"a\n", "b\n"}, 0},
		{func() {}, nil, 0},
		{func() { write("c\n", os.O_APPEND) }, []string{"cc\n"}, 0},
		{func() { write("d\n", os.O_TRUNC) }, []string{"d\n"}, 1}, // shorter
		{func() { // another file, which is longer
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			write("e\nf\ng\n", 0)
		}, []string{"e\n", "f\n", "g\n"}, 2},
		{tail.Restart, []string{"e\n", "f\n", "g\n"}, 2},
	} {
		step.change()
		if got := read(); !slices.Equal(got, step.want) || restarts != step.restarts {
			t.Errorf("step %d: lines %q and %d restarts, want %q and %d", i, got, restarts, step.want, step.restarts)
		}
	}
}
