package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trainer/internal/shard"
	"trainer/tokenizer"
	"trainer/train"
)

// What shards hold can be trained on.
var _ train.Tokens = (*shard.Set)(nil)

func TestShardsHaveTheTextAndSayWhatTheyAre(t *testing.T) {
	folder := workshop(t)
	if err := os.Mkdir(filepath.Join(folder, "books"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a.txt": prose, "b.jsonl": "{\"body\":\"and the end\"}\n", "c.csv": "x"} {
		if err := os.WriteFile(filepath.Join(folder, "books", name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out := succeed(t, folder, "", "shards", "-tokenizer", "trained", "-out", "made", "-field", "body", "-shard-size", "20", "books")
	for _, want := range []string{"1 file is left out, such as books/c.csv", " MB/s\n", " of 2 documents, ", " shards in made/train\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("output %q does not say %q", out, want)
		}
	}
	tok, err := tokenizer.Load(filepath.Join(folder, "made"))
	if err != nil {
		t.Fatal(err)
	}
	set, heldOut, err := shard.OpenFolder(filepath.Join(folder, "made"), shard.Options{Tokenizer: tok})
	if err != nil || heldOut != nil {
		t.Fatalf("held out %v, error %v", heldOut, err)
	}
	defer set.Close()
	ids := make([]int32, set.Len())
	set.Read(ids, 0)
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(tok.Token(id))
	}
	if want := prose + "<eos>and the end<eos>"; text.String() != want {
		t.Errorf("the shards have the text %q, want %q", text.String(), want)
	}
	again := succeed(t, folder, "", "shards", "-tokenizer", "trained", "-out", "made", "-field", "body", "-shard-size", "20", "books")
	if !strings.Contains(again, "the shards were complete already\n") {
		t.Errorf("once more it says %q", again)
	}
}

// TestShardsKilledAtAnyTimeAreThoseOfOneRun kills the command again and again, at any time, and lets it go on.
func TestShardsKilledAtAnyTimeAreThoseOfOneRun(t *testing.T) {
	folder := workshop(t)
	random := rand.New(rand.NewPCG(1, 2))
	var lines bytes.Buffer
	size, most := 12_000, 25
	if testing.Short() {
		size, most = 3000, 6
	}
	for i := range size {
		fmt.Fprintf(&lines, "{\"text\":%q}\n", strings.Repeat(fmt.Sprint("ferry ", random.IntN(1000), " "), 60)+fmt.Sprint(i))
	}
	for name, content := range map[string][]byte{"a.jsonl": lines.Bytes(), "b.txt": bytes.Repeat([]byte(prose), 4*size)} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	arguments := func(out string) []string {
		return []string{"shards", "-tokenizer", "trained", "-out", out, "-held-out", "0.1", "-shard-size", "150K", "a.jsonl", "b.txt"}
	}
	succeed(t, folder, "", arguments("whole")...)
	want := tree(t, filepath.Join(folder, "whole"))

	kills, inShard := 0, 0
	for kills < most {
		p := start(t, folder, arguments("killed")...)
		if kills%5 == 0 { // while it starts
			time.Sleep(time.Duration(random.Int64N(int64(50 * time.Millisecond))))
		} else { // on the way from a shard to another
			p.awaitChange(filepath.Join(folder, "killed", shard.IndexName))
			time.Sleep(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
		}
		if p.kill() {
			break
		}
		kills++
		if partial, err := filepath.Glob(filepath.Join(folder, "killed", "train", "*.partial")); err == nil && len(partial) > 0 {
			inShard++
		}
	}
	t.Logf("%d kills, %d of them in the middle of a shard", kills, inShard)
	succeed(t, folder, "", arguments("killed")...)
	got := tree(t, filepath.Join(folder, "killed"))
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s is another", name)
		}
	}
	if len(got) != len(want) || kills == 0 {
		t.Errorf("%d files after %d kills, want %d", len(got), kills, len(want))
	}
}

// process is the command in the background.
type process struct {
	t        *testing.T
	command  *exec.Cmd
	problems bytes.Buffer
	ended    chan struct{}
}

// start starts the command in a folder.
func start(t *testing.T, folder string, arguments ...string) *process {
	t.Helper()
	p := &process{t: t, command: exec.Command(os.Args[0], arguments...), ended: make(chan struct{})}
	p.command.Dir = folder
	p.command.Env = append(os.Environ(), "TOKENIZE_AS_COMMAND=1")
	p.command.Stderr = &p.problems
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.command.Wait()
		close(p.ended)
	}()
	return p
}

// awaitChange waits until a file has another content, or the process has ended.
func (p *process) awaitChange(path string) {
	before, _ := os.ReadFile(path)
	for {
		select {
		case <-p.ended:
			return
		case <-time.After(time.Millisecond):
			if now, err := os.ReadFile(path); err == nil && !bytes.Equal(now, before) {
				return
			}
		}
	}
}

// kill ends the process and returns whether it had come to an end by itself. An error of it ends the test.
func (p *process) kill() (done bool) {
	p.t.Helper()
	p.command.Process.Kill()
	<-p.ended
	if p.problems.Len() > 0 {
		p.t.Fatal(&p.problems)
	}
	return p.command.ProcessState.Success()
}

// tree is the names and contents of all files in a folder, none where it is missing.
func tree(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == ".lock" {
			return err
		}
		b, err := os.ReadFile(path)
		all[filepath.ToSlash(strings.TrimPrefix(path, folder+string(filepath.Separator)))] = string(b)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

func TestASizeIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string]string{"1000": "1K", "999": "999", "250K": "250K", "1500": "1500", "100m": "100M", "2G": "2G", "1000000": "1M"} {
		var c count
		if err := c.Set(text); err != nil || c.String() != want {
			t.Errorf("%s is read as %s, error %v, want %s", text, c.String(), err, want)
		}
	}
	for _, text := range []string{"", "K", "1.5M", "-1", "0K", "1KB"} {
		if err := new(count).Set(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
