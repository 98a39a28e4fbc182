package sharding

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trainer/internal/fault"
	"trainer/internal/shard"
	"trainer/tokenizer"
)

func TestAFolderOfOtherArgumentsIsRefusedWithTheDifference(t *testing.T) {
	input := filepath.Join(t.TempDir(), "a.txt")
	put := func(text string) {
		if err := os.WriteFile(input, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put("some text")
	folder := t.TempDir()
	o := optionsFor(t, tokenizer.NewBytes(), input)
	o.HeldOut = 0
	if _, err := Run(folder, o); err != nil {
		t.Fatal(err)
	}
	again, err := Run(folder, o)
	if err != nil || again.Resumed != again.Train || again.Train.Documents != 1 {
		t.Errorf("once more: %+v, error %v", again, err)
	}
	for want, change := range map[string]func(o *Options){
		"-tokenizer: another one": func(o *Options) { o.Tokenizer = trained(t) },
		"-shard-size 300000, not 5: use the same arguments to go on, choose another -out, or -overwrite": func(o *Options) { o.ShardSize = 5 },
		"-held-out 0, not 0.5":       func(o *Options) { o.HeldOut = 0.5 },
		"-eos=true, not false":       func(o *Options) { o.EOS = false },
		"-field text, not body":      func(o *Options) { o.Field = "body" },
		"1 files, not 2":             func(o *Options) { o.Files = append(o.Files, o.Files[0]) },
		"another " + input + ", whi": func(o *Options) { o.Files[0].Size++ },
		"a.txt as file 1, not other": func(o *Options) { o.Files[0].Path = "other" },
	} {
		changed := o
		changed.Files = append(changed.Files[:0:0], o.Files...)
		change(&changed)
		if _, err := Run(folder, changed); fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), folder+" was begun with ") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	put("other text, and more of it")
	o = optionsFor(t, trained(t), input)
	o.HeldOut, o.Overwrite = 0, true
	if _, err := Run(folder, o); err != nil {
		t.Fatal(err)
	}
	if train, _ := streams(t, folder, o.Tokenizer); o.Tokenizer.Decode(train) != "other text, and more of it" {
		t.Errorf("an overwritten folder has the tokens %d", train)
	}
}

func TestWhatIsNotOursIsNotReplaced(t *testing.T) {
	input := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(input, []byte("text"), 0o666); err != nil {
		t.Fatal(err)
	}
	o := optionsFor(t, tokenizer.NewBytes(), input)
	for _, c := range []struct {
		name, content, want string
		code                int
	}{
		{"train/000000.tokens", "x", "train is not empty, and there is no shards.json in", fault.ExitUsage},
		{"tokenizer.json", string(trained(t).JSON()), "tokenizer.json is there already, and another tokenizer", fault.ExitUsage},
		{"shards.json", "{", "shards.json is damaged: unexpected end of JSON input: choose another -out, or -overwrite it", fault.ExitData},
		{"shards.json", `{"train":{"shards":-1}}`, "shards.json is damaged: it has impossible numbers", fault.ExitData},
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, c.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.content), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(folder, o); fault.ExitCode(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != c.content {
			t.Errorf("%s was replaced: %v", c.name, err)
		}
	}
}

func TestErrorsOfTheTextNameFileAndLine(t *testing.T) {
	folder := t.TempDir()
	words, err := tokenizer.NewWord([]string{"one", "two"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, want string }{
		{"a.txt", "one two\none\ntwo three", `a.txt:3: unknown word "three" (word 2)`},
		{"b.txt", "one\none \xff two", "b.txt:2: not UTF-8: tokenizers of words and of characters read text"},
		{"c.jsonl", "{\"text\":\"one\"}\n{\"text\":\"one\\nsix\"}", `c.jsonl:2: unknown word "six" (word 2)`},
		{"d.jsonl", "{\"text\":\"one\"}\n{", "d.jsonl:2: not JSON"},
		{"e.jsonl", "{\"text\":\"\"}\n", "there is no text in the files"},
	} {
		path := filepath.Join(folder, c.name)
		if err := os.WriteFile(path, []byte(c.content), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Run(t.TempDir(), optionsFor(t, words, path))
		if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	o := optionsFor(t, words, filepath.Join(folder, "c.jsonl"))
	o.Tokenizer, o.HeldOut = tokenizer.NewBytes(), 1
	if _, err := Run(t.TempDir(), o); fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), "all 2 documents were held out") {
		t.Errorf("with everything held out: %v", err)
	}
}

func TestAnUnfinishedFolderIsNotOpened(t *testing.T) {
	inputs, _ := library(t)
	o := optionsFor(t, tokenizer.NewBytes(), inputs)
	o.SaveEvery = time.Nanosecond
	o.Observe = func(p Progress) {
		if p.Documents > 0 {
			panic(errStop)
		}
	}
	folder := t.TempDir()
	func() {
		defer func() { recover() }()
		Run(folder, o)
	}()
	if _, _, err := shard.OpenFolder(folder, shard.Options{Tokenizer: o.Tokenizer}); fault.ExitCode(err) != fault.ExitData ||
		!strings.Contains(err.Error(), "are not complete: run tokenize shards once more") {
		t.Errorf("an unfinished folder: %v", err)
	}
}
