package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// library is a working folder with a folder of texts.
func library(t *testing.T) string {
	t.Helper()
	dir := workplace(t)
	if err := os.MkdirAll(filepath.Join(dir, "books", "more"), 0o777); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i := range 400 {
		fmt.Fprintf(&lines, "{\"text\": \"The wheels of bus %d go round and round.\"}\n", i%7)
	}
	for name, text := range map[string]string{"rhyme.txt": rhyme(), "more/lines.jsonl": lines.String()} {
		if err := os.WriteFile(filepath.Join(dir, "books", name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// onCorpus are the arguments of a short run.
func onCorpus(data string, arguments ...string) []string {
	return append([]string{"-data", data, "-out", "run", "-layers", "1", "-d-model", "16", "-heads", "2", "-context", "16", "-batch", "8",
		"-threads", "1", "-steps", "40", "-lr", "0.01"}, arguments...)
}

func TestAFolderOfTextsIsLearnedFromShardsThatAreMadeOnce(t *testing.T) {
	t.Parallel()
	dir := library(t)
	o := succeed(t, dir, onCorpus("books", "-tokenizer", "bpe:300")...)
	for _, part := range []string{"in 1 shard, kept in runs/books.tokens", "a vocabulary of 300 tokens", "Predictions"} {
		if !strings.Contains(o.stdout, part) {
			t.Errorf("%q is missing in\n%s", part, o.stdout)
		}
	}
	path := filepath.Join(dir, "runs", "books.tokens", "train", "000000.tokens")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	succeed(t, dir, onCorpus("books", "-tokenizer", "bpe:300", "-quiet", "-out", "again")...)
	if after, err := os.Stat(path); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the shards were made anew: %v", err)
	}
	// The shards by themselves have their tokenizer, and give the same weights; stopped and resumed too.
	if o := command(t, dir, onCorpus("runs/books.tokens", "-quiet", "-out", "shards", "-stop-after", "13")...); o.code != 130 {
		t.Fatalf("stopped with %+v", o)
	}
	succeed(t, dir, "-resume", "-out", "shards", "-quiet")
	want, err1 := os.ReadFile(filepath.Join(dir, "again", "model.safetensors"))
	got, err2 := os.ReadFile(filepath.Join(dir, "shards", "model.safetensors"))
	if err1 != nil || err2 != nil || string(got) != string(want) {
		t.Errorf("the weights from the shards alone differ, %v %v", err1, err2)
	}
}

func TestFilesOfLLMCAreLearnedWithANamedTokenizer(t *testing.T) {
	t.Parallel()
	dir := library(t)
	header := make([]int32, 256)
	header[0], header[1], header[2] = 20240520, 1, 2000
	raw, err := binary.Append(nil, binary.LittleEndian, header)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		raw = binary.LittleEndian.AppendUint16(raw, uint16('a'+i%17))
	}
	for _, name := range []string{"train.bin", "val.bin"} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	o := succeed(t, dir, onCorpus("train.bin", "-eval-data", "val.bin", "-tokenizer", "bytes", "-quiet")...)
	if !strings.HasPrefix(o.stdout, "held-out loss") {
		t.Errorf("printed %q", o.stdout)
	}
}

func TestMistakesWithACorpusAreNamed(t *testing.T) {
	t.Parallel()
	dir := library(t)
	for name, text := range map[string]string{"broken.jsonl": "{\"text\": \"a\"}\n{\"words\": 1}\n", "cut.bin": "abc", "empty/x.html": "x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		data      string
		arguments []string
		code      int
		want      []string
	}{
		{"books", []string{"-tokenizer", "char"}, 2, []string{"-tokenizer char", "bpe:4096"}},
		{"cut.bin", nil, 2, []string{"cut.bin", "-tokenizer"}},
		{"cut.bin", []string{"-tokenizer", "bytes"}, 3, []string{"cut.bin"}},
		{"broken.jsonl", []string{"-tokenizer", "bytes"}, 3, []string{"broken.jsonl:2"}},
		{"empty", nil, 3, []string{"empty", "folder without a text"}},
	} {
		fail(t, test.code, test.want, dir, onCorpus(test.data, append(test.arguments, "-quiet")...)...)
		if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
			t.Fatalf("%v left a run folder", test)
		}
	}
}
