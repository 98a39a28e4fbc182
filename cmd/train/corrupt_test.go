package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// replaced returns a change of texts, old and new in turns, that must be in a file.
func replaced(texts ...string) func(data []byte) []byte {
	return func(data []byte) []byte {
		for i := 0; i < len(texts); i += 2 {
			if !bytes.Contains(data, []byte(texts[i])) {
				panic(fmt.Sprintf("%q is not in the file", texts[i]))
			}
			data = bytes.Replace(data, []byte(texts[i]), []byte(texts[i+1]), 1)
		}
		return data
	}
}

// copied is a copy of a working folder.
func copied(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestDamagedCheckpointIsRefusedAndKeptAsItIs(t *testing.T) {
	t.Parallel()
	cut := func(n int) func([]byte) []byte { return func(data []byte) []byte { return data[:n] } }
	whole := stopped(t)
	headerLength := func(data []byte) int { return 8 + int(binary.LittleEndian.Uint64(data)) }
	for _, test := range []struct {
		name, file string
		change     func(data []byte) []byte
		says       []string
	}{
		{"state is empty", "state.safetensors", cut(0), nil},
		{"state ends in its length", "state.safetensors", cut(5), nil},
		{"state ends in its header", "state.safetensors", cut(100), nil},
		{"state ends in its data", "state.safetensors", func(data []byte) []byte { return data[:len(data)-1] }, nil},
		{"state begins with a huge length", "state.safetensors", func(data []byte) []byte { data[7] = 0x7f; return data }, nil},
		{"state's header is no JSON", "state.safetensors", func(data []byte) []byte { data[8] = '['; return data }, nil},
		{"state is that of another program", "state.safetensors", replaced(`"trainer":`, `"another":`), []string{"trainer"}},
		{"state's JSON is damaged", "state.safetensors", replaced(`{\"step\":20`, `{\"step\"!20`), []string{"trainer"}},
		{"state's step is another", "state.safetensors", replaced(`\"step\":20`, `\"step\":19`), []string{"19"}},
		{"state's step is negative", "state.safetensors", replaced(`\"step\":20`, `\"step\":-2`), []string{"-2"}},
		{"state has an impossible option", "state.safetensors", replaced(`\"batch\":8`, `\"batch\":0`), []string{"batch 0"}},
		{"state has an unknown flag", "state.safetensors", replaced(`\"layers\":`, `\"lawers\":`), []string{"-lawers"}},
		{"state has an impossible flag", "state.safetensors", replaced(`\"layers\":\"1\"`, `\"layers\":\"x\"`), []string{"-layers"}},
		{"state's moments are not numbers", "state.safetensors", func(data []byte) []byte {
			copy(data[headerLength(data):], "\x00\x00\xc0\x7f")
			return data
		}, []string{"finite"}},
		{"model is empty", "model.safetensors", cut(0), nil},
		{"model ends in its header", "model.safetensors", cut(100), nil},
		{"model ends in its data", "model.safetensors", cut(3000), nil},
		{"model lacks a tensor", "model.safetensors", replaced("ln_f.weight", "ln_g.weight"), []string{"ln_f.weight"}},
		{"model's weights are not numbers", "model.safetensors", func(data []byte) []byte {
			copy(data[headerLength(data):], "\x00\x00\x80\x7f")
			return data
		}, []string{"finite"}},
		{"configuration is no JSON", "config.json", cut(20), nil},
		{"configuration of another width", "config.json", replaced(`"n_embd": 8`, `"n_embd": 16`), nil},
		{"configuration of more layers", "config.json", replaced(`"n_layer": 1`, `"n_layer": 2`), nil},
		{"configuration of an impossible model", "config.json", replaced(`"n_head": 2`, `"n_head": 3`), nil},
		{"tokenizer is no JSON", "tokenizer.json", cut(50), nil},
		{"tokenizer of a larger vocabulary", "tokenizer.json", replaced(`"zero": 2,`, `"zero": 2, "million": 23,`), nil},
		{"tokenizer lacks a word", "tokenizer.json", replaced(`"seven"`, `"sieben"`), []string{"another vocabulary"}},
		{"tokenizer of another order", "tokenizer.json", replaced(`"plus": 3`, `"plus": 5`, `"one": 5`, `"one": 3`), []string{"another vocabulary"}},
		{"tokenizer gives an id twice", "tokenizer.json", replaced(`"plus": 3`, `"plus": 5`), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copied(t, whole)
			path := filepath.Join(dir, "run", test.file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, test.change(data), 0o666); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			fail(t, 3, append(test.says, "train: run/"), dir, "-resume", "-out", "run") // which file it names can be another that does not fit
			sameContents(t, contents(t, dir), before)
		})
	}
}

func TestMissingFileOfACheckpointIsNamed(t *testing.T) {
	t.Parallel()
	whole := stopped(t)
	for _, name := range []string{"model.safetensors", "config.json", "tokenizer.json"} {
		dir := copied(t, whole)
		if err := os.Remove(filepath.Join(dir, "run", name)); err != nil {
			t.Fatal(err)
		}
		before := contents(t, dir)
		fail(t, 3, []string{"run/" + name}, dir, "-resume", "-out", "run")
		sameContents(t, contents(t, dir), before)
	}
}

func TestResultsOfAFinishedRunSurviveARefusedResume(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	succeed(t, dir, small()...)
	if err := os.WriteFile(filepath.Join(dir, "sums.txt"), []byte(sums()+"one plus one equals two\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	fail(t, 3, []string{"the training data is not that of the run"}, dir, "-resume", "-out", "run", "-steps", "90")
	sameContents(t, contents(t, dir), before)
}
