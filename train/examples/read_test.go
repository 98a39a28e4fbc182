package examples

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"trainer/internal/fault"
)

func TestParseSplitsALineAtItsLastEquals(t *testing.T) {
	for line, want := range map[string]Example{
		"two plus three equals five":         {"two plus three equals", "five", "plus", "data.txt", 1},
		"  nine\ttimes  two equals eighteen": {"nine times two equals", "eighteen", "times", "data.txt", 1},
		"five minus one equals forty two":    {"five minus one equals", "forty two", "minus", "data.txt", 1},
		"a equals b equals c":                {"a equals b equals", "c", Other, "data.txt", 1},
		"half of ten equals five plus zero":  {"half of ten equals", "five plus zero", Other, "data.txt", 1},
		"two times one plus one equals four": {"two times one plus one equals", "four", "times", "data.txt", 1},
	} {
		list, err := Parse(strings.NewReader(line), "data.txt")
		if err != nil || len(list) != 1 || list[0] != want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", line, list, err, want)
		}
	}
}

func TestParseSkipsCommentsAndEmptyLinesButCountsThem(t *testing.T) {
	text := "\ufeff# sums\r\n\r\none plus one equals two\r\n   \n  # more\none plus two equals three\none plus one equals two"
	list, err := Parse(strings.NewReader(text), "data.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%d %s", e.Line, e.Text()))
	}
	want := []string{"3 one plus one equals two", "6 one plus two equals three", "7 one plus one equals two"}
	if !slices.Equal(got, want) {
		t.Errorf("examples are %q, want %q", got, want)
	}
}

// checkDataError fails unless err is of class data and contains want.
func checkDataError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %s", err, want)
	}
	if code := fault.ExitCode(err); code != fault.ExitData {
		t.Errorf("error %v has exit code %d, want %d", err, code, fault.ExitData)
	}
}

func TestParseSaysWhatIsWrongWithALine(t *testing.T) {
	const good = "one plus one equals two\n"
	for _, test := range []struct{ name, text, want string }{
		{"no equals", good + "two plus three", `data.txt:2: no "equals" in "two plus three": expected a question, "equals" and the answer`},
		{"equals within a word", "two equalsthree", `data.txt:1: no "equals" in "two equalsthree"`},
		{"no question", good + "#\nequals five", `data.txt:3: no question before "equals" in "equals five"`},
		{"no answer", "two plus three equals\n", `data.txt:1: no answer after "equals" in "two plus three equals"`},
		{"long line", strings.Repeat("é", 100), `data.txt:1: no "equals" in "` + strings.Repeat("é", 60) + `…"`},
		{"not UTF-8", good + "caf\xe9 equals x", `data.txt:2: byte 4, 0xe9, is not valid UTF-8`},
		{"UTF-16", "\xff\xfea\x00", `data.txt:1: byte 1, 0xff, is not valid UTF-8`},
		{"too long a line", good + strings.Repeat("a ", maxLine), `data.txt:2: the line is longer than 64 KiB`},
		{"empty", "", "data.txt: there is no example in the file"},
		{"comments alone", "# one plus one equals two\n\n", "data.txt: there is no example in the file"},
		{"two answers", good + "two equals two\none  plus one equals three\n",
			`data.txt:3: "one plus one equals" has the answer "three", but line 1 answers "two"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, err := Parse(strings.NewReader(test.text), "data.txt")
			checkDataError(t, err, test.want)
			if list != nil {
				t.Errorf("examples %v besides the error", list)
			}
		})
	}
}

func TestParseAcceptsAReplacementCharacter(t *testing.T) {
	// U+FFFD is what a decoder puts in the place of bad bytes, but it is a valid character itself.
	if _, err := Parse(strings.NewReader("\ufffd equals x"), "data.txt"); err != nil {
		t.Error(err)
	}
}

func TestParseListsTheFirstTenBadLines(t *testing.T) {
	bad := func(n int) error {
		_, err := Parse(strings.NewReader("one equals one\n"+strings.Repeat("x\n", n)), "data.txt")
		return err
	}
	lines := strings.Split(bad(13).Error(), "\n")
	if len(lines) != 11 || !strings.HasPrefix(lines[0], "data.txt:2: ") || !strings.HasPrefix(lines[9], "data.txt:11: ") ||
		lines[10] != "and 3 more bad lines" {
		t.Errorf("error is\n%s", strings.Join(lines, "\n"))
	}
	if text := bad(10).Error(); strings.Count(text, "\n") != 9 || strings.Contains(text, "more") {
		t.Errorf("error is\n%s", text)
	}
}

func TestParseReportsAReadErrorWithItsLine(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := Parse(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("one equals one\n"))), "data.txt")
	checkDataError(t, err, "cannot read data.txt on from line 1: timeout")
	_, err = Parse(iotest.ErrReader(broken), "data.txt")
	if !errors.Is(err, broken) {
		t.Errorf("%v does not wrap its cause", err)
	}
}

func TestReadNamesAFileThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	_, err := Read(filepath.Join(folder, "absent.txt"))
	checkDataError(t, err, "cannot read examples: open "+filepath.Join(folder, "absent.txt")+": no such file")
	_, err = Read(folder)
	checkDataError(t, err, folder+" is a folder: expected a text file")

	path := filepath.Join(folder, "data.txt")
	if err := os.WriteFile(path, []byte("one equals one\nx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Read(path)
	checkDataError(t, err, path+":2: no \"equals\"")
}

func FuzzParse(f *testing.F) {
	f.Add("two plus three equals five\n# comment\n\ntwo plus four equals six\n")
	f.Add("\ufeffa equals b equals c\r\na\xff equals")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse(strings.NewReader(text), "fuzz")
		if err != nil {
			return
		}
		// What was read reads back the same, line numbers aside, unless it begins like a comment or a byte order mark.
		for _, e := range list {
			again, err := Parse(strings.NewReader("\n"+e.Text()), e.Source)
			if err != nil {
				t.Fatalf("%q does not parse again: %v", e.Text(), err)
			}
			e.Line = 2
			if len(again) != 1 || again[0] != e {
				t.Fatalf("%+v became %+v", e, again)
			}
		}
	})
}
