package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trainer/internal/gguf"
	"trainer/internal/half"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// textModel is the folder of a small model of text.
func textModel(t *testing.T) string {
	t.Helper()
	of := tokenizer.NewBytes()
	c := model.Calculator(of.VocabSize())
	c.Width, c.Layers, c.Heads, c.MLPWidth, c.EOS = 32, 1, 2, 64, int(of.EOS())
	m, err := model.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "book")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	var weights bytes.Buffer
	if err := m.WriteWeights(&weights); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		model.ConfigFile: c.Marshal(), model.WeightsFile: weights.Bytes(), tokenizer.FileName: of.JSON(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestExportWritesTheModelForLlamaCpp(t *testing.T) {
	dir := textModel(t)
	path := filepath.Join(t.TempDir(), "book.gguf")
	sizes := make(map[string]int)
	for _, kind := range []string{"f32", "bf16", "q8_0"} {
		out, errs, code := command(t, "", "-model", dir, "-export", path, "-type", kind, "-json")
		var e exported
		if err := json.Unmarshal([]byte(out), &e); code != 0 || err != nil || e.Path != path || e.Type != kind {
			t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Parse(content)
		if err != nil {
			t.Fatal(err)
		}
		if sizes[kind] = e.Bytes; e.Bytes != len(content) || f.Value("general.name") != "book" {
			t.Errorf("%s: %+v, name %v, %d bytes", kind, e, f.Value("general.name"), len(content))
		}
	}
	if !(sizes["f32"] > sizes["bf16"] && sizes["bf16"] > sizes["q8_0"]) {
		t.Errorf("sizes %v: want those of fewer bits to be smaller", sizes)
	}
	if out, errs, code := command(t, "", "-model", dir, "-export", path); code != 0 || !strings.Contains(out, "llama") || !strings.Contains(out, path) {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if out, _, _ := command(t, "", "-model", dir, "-export", path, "-quiet"); out != "" {
		t.Errorf("-quiet prints %q", out)
	}
}

func TestExportWritesAFolderOfSixteenBits(t *testing.T) {
	dir, to := textModel(t), filepath.Join(t.TempDir(), "a", "small")
	out, errs, code := command(t, "", "-model", dir, "-export", to, "-type", "bf16")
	if code != 0 || !strings.Contains(out, "bf16") || strings.Contains(out, "llama") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	was, _, err := train.LoadModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	is, of, err := train.LoadModel(to)
	if err != nil {
		t.Fatal(err)
	}
	if is.Config != was.Config || of.VocabSize() != was.Config.VocabSize {
		t.Errorf("the configuration is %+v, want %+v", is.Config, was.Config)
	}
	for i, v := range was.Weights {
		if rounded := half.FromBF16(half.ToBF16(v)); is.Weights[i] != rounded {
			t.Fatalf("weight %d is %g, want %g", i, is.Weights[i], rounded)
		}
	}
}

func TestMistakesWithExportAreNamed(t *testing.T) {
	dir := textModel(t)
	for _, c := range []struct {
		arguments []string
		code      int
		want      string
	}{
		{[]string{"-export", "book.bin"}, 2, "-export book.bin: expected the name of a file that ends with .gguf, or of a folder"},
		{[]string{"-export", "folder", "-type", "q8_0"}, 2, "-type q8_0 is for files that end with .gguf"},
		{[]string{"-export", dir}, 2, "there is a model in the folder"},
		{[]string{"-export", "book.gguf", "-type", "q4"}, 2, `-type "q4": expected f32, f16, bf16, q8_0`},
		{[]string{"-export", "book.gguf", "-weights", "int8"}, 2, "-weights int8 is how a model is asked"},
		{[]string{"-type", "f16", "hello"}, 2, "-type f16 is that of the weights which -export writes"},
		{[]string{"-export", "book.gguf", "hello"}, 2, `leave out the prompt "hello"`},
		{[]string{"-export", "book.gguf", "-eval", "x"}, 2, "-export and -eval"},
		{[]string{"-export", "no/such/book.gguf"}, 1, "no/such/book.gguf"},
		{[]string{"-export", "book.gguf", "-model", trainedDir}, 3, "its tokenizer is of a kind that llama.cpp does not have"},
		{[]string{"-export", "book.gguf", "-model", "nowhere"}, 3, "no trained model in nowhere"},
	} {
		out, errs, code := command(t, "", append([]string{"-model", dir}, c.arguments...)...)
		if code != c.code || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%q: exit code %d, %q, %q; want %d and %q", c.arguments, code, out, errs, c.code, c.want)
		}
	}
}
