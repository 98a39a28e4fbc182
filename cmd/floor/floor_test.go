package main

import (
	"context"
	"errors"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/internal/floor"
	"trainer/internal/safetensors"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// untrained is the folder of a calculator that has learned nothing.
func untrained(t *testing.T) string {
	t.Helper()
	words, err := tokenizer.BuildWord(examples.Texts(examples.Calculator()))
	if err != nil {
		t.Fatal(err)
	}
	c := model.Calculator(words.VocabSize())
	c.Width, c.Layers, c.Heads, c.MLPWidth, c.EOS = 16, 1, 2, 32, int(words.EOS())
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "untrained")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := train.SaveModel(dir, m, words, safetensors.F32); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command runs the command with arguments, without the process.
func command(ctx context.Context, arguments ...string) error {
	a := defaults()
	flags := a.flags()
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	return run(ctx, a, flags)
}

func TestMistakesSayWhatIsExpected(t *testing.T) {
	for arguments, want := range map[string]struct {
		code int
		text string
	}{
		"nowhere":             {fault.ExitData, "there is no model in nowhere"},
		"one two":             {fault.ExitUsage, "expected one run folder"},
		"-run one two":        {fault.ExitUsage, "expected one run folder"},
		"one -run two":        {fault.ExitUsage, "-run two and \"one\": expected one run folder"},
		"nowhere -findings":   {fault.ExitData, "there is no model in nowhere"},
		"nowhere -finding":    {fault.ExitUsage, "did you mean -findings?"},
		"-http 8080":          {fault.ExitUsage, "-http: \"8080\" is not an address"},
		"-report /no/dir/x .": {fault.ExitData, "there is no model in ."},
	} {
		err := command(t.Context(), strings.Fields(arguments)...)
		if fault.ExitCode(err) != want.code || err == nil || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: exit code %d, %v; want %d, %q", arguments, fault.ExitCode(err), err, want.code, want.text)
		}
	}
}

func TestTheServerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := command(ctx, "-http", ":0", untrained(t)); err != nil {
		t.Error(err)
	}
}

func TestAReportIsOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	if err := command(t.Context(), untrained(t), "-report", path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 1<<20 || !strings.Contains(string(text), `"name":"untrained"`) || strings.Contains(string(text), `src="`) {
		t.Errorf("the report has %d bytes: %.500s", len(text), text)
	}
}

func TestWithoutABrowserThePicturesSayWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := command(t.Context(), "-png", t.TempDir(), untrained(t))
	if _, found := findBrowser(); found == nil {
		t.Skip("there is a browser elsewhere than on the path")
	}
	if fault.ExitCode(err) != fault.ExitUsage || err == nil || !strings.Contains(err.Error(), "install") {
		t.Errorf("the error is %v", err)
	}
}

func TestPicturesAreDrawnByABrowser(t *testing.T) {
	browser, err := findBrowser()
	if err != nil {
		t.Skip(err)
	}
	if err := exec.CommandContext(t.Context(), browser, "--version").Run(); err != nil {
		t.Skipf("%s does not run: %v", browser, err)
	}
	dir := t.TempDir()
	if err := command(t.Context(), "-png", dir, untrained(t)); err != nil {
		t.Fatal(err)
	}
	for _, view := range views {
		file, err := os.Open(filepath.Join(dir, view+".png"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := png.DecodeConfig(file)
		file.Close()
		if err != nil || c.Width < 1280 {
			t.Errorf("%s is %d wide (%v)", view, c.Width, err)
		}
	}
}

func TestAModelOfOthersHasNoRunToShow(t *testing.T) {
	f, err := floor.OpenFolder(untrained(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Example(t.Context()); !errors.As(err, new(*floor.Refusal)) {
		t.Errorf("an example of a model without questions: %v", err)
	}
	if m := f.Metrics(0); len(m.Steps) != 0 {
		t.Errorf("it has steps: %v", m.Steps)
	}
}
