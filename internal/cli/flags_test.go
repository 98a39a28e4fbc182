package cli

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"trainer/internal/fault"
)

// values are the flags of a test.
type values struct {
	steps int
	seed  uint64
	lr    float64
	out   string
	quiet bool
	list  words
}

// words is a flag of its own kind: words with commas between, none of them empty.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }
func (w *words) Set(text string) error {
	*w = strings.Split(text, ",")
	if slices.Contains(*w, "") {
		return errors.New("has an empty word: expected words, such as a,b")
	}
	return nil
}

func testFlags() (*Flags, *values) {
	v := &values{steps: 100, lr: 0.5, out: "runs/x", list: words{"a"}}
	f := New("test", "Does nothing.", "test -steps 3    three steps")
	g := f.Group("Numbers")
	g.Int(&v.steps, "steps", "how many")
	g.Uint64(&v.seed, "seed", "of chance")
	g.Float(&v.lr, "learning-rate", "how `fast`")
	g = f.Group("Others")
	g.String(&v.out, "out", "where")
	g.Bool(&v.quiet, "quiet", "say less")
	g.Var(&v.list, "list", "`words`")
	f.Config(g)
	return f, v
}

// config writes a configuration file.
func config(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.toml")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWrongFlagsAreExplained(t *testing.T) {
	for arguments, want := range map[string]string{
		"-stepz 3":                    "there is no flag -stepz: did you mean -steps?; -h lists them",
		"-foo":                        "there is no flag -foo; -h lists them",
		"-steps many":                 `-steps "many": expected a whole number`,
		"-steps 1.5":                  `-steps "1.5": expected a whole number`,
		"-steps 99999999999999999999": `-steps "99999999999999999999": expected a whole number`,
		"-seed -1":                    `-seed "-1": expected a whole number of 0 or more`,
		"-learning-rate x":            `-learning-rate "x": expected a number`,
		"-quiet=perhaps":              `-quiet "perhaps": expected true or false`,
		"-list a,,b":                  "-list has an empty word: expected words, such as a,b",
		"-steps":                      "flag needs an argument: -steps; -h explains the flags",
		"-config /nowhere/x":          "-config: open /nowhere/x: no such file or directory",
	} {
		f, _ := testFlags()
		err := f.Parse(strings.Fields(arguments))
		if err == nil || err.Error() != want || fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%s: %v; want the usage error %q", arguments, err, want)
		}
	}
}

func TestFlagsMayStandBehindArguments(t *testing.T) {
	for arguments, want := range map[string]struct {
		steps int
		out   string
		rest  []string
	}{
		"":                      {100, "runs/x", nil},
		"a":                     {100, "runs/x", []string{"a"}},
		"a -steps 3 b -out c":   {3, "c", []string{"a", "b"}},
		"-steps 3 a -steps 4":   {4, "runs/x", []string{"a"}},
		"a -steps 3 -- -out -b": {3, "runs/x", []string{"a", "-out", "-b"}},
		"-- a -steps 3":         {100, "runs/x", []string{"a", "-steps", "3"}},
		"a --":                  {100, "runs/x", []string{"a"}},
	} {
		f, v := testFlags()
		f.Mixed = true
		if err := f.Parse(strings.Fields(arguments)); err != nil || v.steps != want.steps || v.out != want.out || !slices.Equal(f.Args(), want.rest) {
			t.Errorf("%q: %v, %+v, arguments %q; want %+v", arguments, err, v, f.Args(), want)
		}
		if f.Given("steps") != (want.steps != 100) {
			t.Errorf("%q: -steps given: %v", arguments, f.Given("steps"))
		}
	}
	f, _ := testFlags()
	f.Mixed = true
	if err := f.Parse([]string{"a", "-steps", "many"}); err == nil || err.Error() != `-steps "many": expected a whole number` {
		t.Errorf("a mistake behind an argument: %v", err)
	}
}

func TestAConfigurationFileSetsFlagsThatTheCommandLineDoesNot(t *testing.T) {
	f, v := testFlags()
	path := config(t, "steps = 7\nlearning-rate = 2 # a whole number is a number\n\"seed\" = 3\nquiet = true\nout = \"a b\"\nlist = [\"x\", \"y\"]\n")
	if err := f.Parse([]string{"-seed", "9", "-config", path}); err != nil {
		t.Fatal(err)
	}
	if v.steps != 7 || v.lr != 2 || v.seed != 9 || !v.quiet || v.out != "a b" || v.list.String() != "x,y" {
		t.Errorf("flags are %+v", v)
	}
	for name, want := range map[string]bool{"steps": true, "seed": true, "list": true, "config": true} {
		if f.Given(name) != want {
			t.Errorf("-%s given: %v", name, !want)
		}
	}
}

func TestMistakesInAConfigurationFileAreFoundByLine(t *testing.T) {
	for text, want := range map[string]string{
		"\nstepz = 3":                `:2: there is no flag "stepz": did you mean -steps?`,
		"config = \"y\"":             `:1: there is no flag "config"`,
		"seed = 1\nsteps = \"3\"":    ":2: steps is text: expected a whole number",
		"steps = 1.5":                ":1: steps is a number: expected a whole number",
		"seed = -1":                  `:1: -seed "-1": expected a whole number of 0 or more`,
		"learning-rate = true":       ":1: learning-rate is true or false: expected a number",
		"quiet = 1":                  ":1: quiet is a number: expected true or false",
		"out = [\"a\"]":              ":1: out is a list: expected text",
		"out = 2020-01-01":           ":1: out is a date or time: expected text",
		"list = 2020-01-01":          ":1: list: a date or time cannot be the value of a flag",
		"seed = 1\n\n[steps]\nx = 1": ":3: steps is a table: expected a whole number",
		"list = [\"a\", \"\"]":       ":1: -list has an empty word",
		"steps = 1\nseed = ":         ":2: ",
		"steps = 1\nsteps = 2":       ":2: Key 'steps' has already been defined: expected TOML",
		"steps = 1\nquiet = maybe":   ":2: ",
	} {
		f, _ := testFlags()
		path := config(t, text)
		err := f.Parse([]string{"-config", path})
		if err == nil || !strings.HasPrefix(err.Error(), path+want) || fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%q: %v; want the usage error %q", text, err, want)
		}
	}
	// A wrong type is a mistake even where the command line has the last word.
	f, _ := testFlags()
	if err := f.Parse([]string{"-steps", "3", "-config", config(t, "steps = true")}); err == nil {
		t.Error("a wrong type was accepted because the command line sets the flag")
	}
}

func TestRestoreTakesOverWhatWasNotGiven(t *testing.T) {
	f, v := testFlags()
	if err := f.Parse([]string{"-steps", "200", "-learning-rate", "5e-1"}); err != nil {
		t.Fatal(err)
	}
	saved := map[string]string{"steps": "100", "seed": "4", "learning-rate": "0.5", "list": "x,y"}
	if err := f.Restore(saved, "steps"); err != nil {
		t.Fatal(err)
	}
	if v.steps != 200 || v.seed != 4 || v.lr != 0.5 || v.list.String() != "x,y" || v.out != "runs/x" {
		t.Errorf("flags are %+v", v)
	}
	if !f.Given("seed") || f.Given("out") {
		t.Error("what was given to the first run counts as given, and nothing else")
	}
	if !maps.Equal(saved, map[string]string{"steps": "100", "seed": "4", "learning-rate": "0.5", "list": "x,y"}) {
		t.Error("the saved values were changed")
	}
}

func TestRestoreRefusesContradictions(t *testing.T) {
	for _, test := range []struct {
		saved map[string]string
		code  int
		want  string
	}{
		{map[string]string{"steps": "100"}, fault.ExitUsage, "-steps 200: the run was begun with -steps 100, and that cannot change"},
		{map[string]string{"stepz": "1"}, fault.ExitData, "the run was begun with the flag -stepz, which this program does not have"},
		{map[string]string{"seed": "x"}, fault.ExitData, `the run was begun with an impossible flag: -seed "x"`},
	} {
		f, _ := testFlags()
		if err := f.Parse([]string{"-steps", "200"}); err != nil {
			t.Fatal(err)
		}
		if err := f.Restore(test.saved); fault.ExitCode(err) != test.code || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%v: %v; want %q", test.saved, err, test.want)
		}
	}
}

func TestHelpShowsGroupsDefaultsAndExitCodes(t *testing.T) {
	f, _ := testFlags()
	if err := f.Parse([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("-h gives %v", err)
	}
	var b bytes.Buffer
	f.Help(&b)
	const want = `Does nothing.

Examples
  test -steps 3    three steps

Numbers
  -steps n                 how many (default 100)
  -seed n                  of chance
  -learning-rate fast      how fast (default 0.5)

Others
  -out name                where (default runs/x)
  -quiet                   say less
  -list words              words (default a)
  -config file             TOML file of flags by name: steps = 1000; the command
                           line wins

Exit codes
  0 done   1 failure   2 wrong usage   3 bad data or checkpoint
  4 device not available   130 interrupted, after a clean save
`
	if got := b.String(); got != want {
		t.Errorf("help is\n%s\nwant\n%s", got, want)
	}
	f.Exits = "0 done\n1 failure"
	b.Reset()
	f.Help(&b)
	if got := b.String(); !strings.HasSuffix(got, "Exit codes\n  0 done\n  1 failure\n") {
		t.Errorf("exit codes of its own are\n%s", got)
	}
}

func TestPaintIsOffWhereColoursAreNotWanted(t *testing.T) {
	if got := (Terminal{}).Paint(Bold, "x"); got != "x" {
		t.Errorf("without colours it writes %q", got)
	}
	if got := (Terminal{Colour: true}).Paint(Bold, "x"); got != "\x1b[1mx\x1b[0m" {
		t.Errorf("bold is %q", got)
	}
	var b bytes.Buffer
	if got := TerminalOf(&b); got.Live || got.Colour || got.Width != 80 {
		t.Errorf("a buffer is taken for %+v", got)
	}
}

// FuzzConfig holds that any file is either read or refused by a usage error that names it, in readable text.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"steps = 7\nquiet = true", "list = [\"x\", 1, true, 2.5]", "[steps]\nx = 1", "out = '''a\nb'''", "\"seed\" = 0x10", "a.b = 1",
		"learning-rate = inf", "steps = 2020-01-01T00:00:00Z", "list = [[\"a\"], {x = 1}]", "\xff", "steps = 1\r\nseed = 1",
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "x.toml")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		flags, _ := testFlags()
		err := flags.Parse([]string{"-config", path})
		if err == nil {
			return
		}
		if fault.ExitCode(err) != fault.ExitUsage || !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%q: %v; want a usage error that names the file and line", text, err)
		}
		if utf8.ValidString(text) && !utf8.ValidString(err.Error()) {
			t.Errorf("%q: the error %q is not text", text, err)
		}
	})
}
