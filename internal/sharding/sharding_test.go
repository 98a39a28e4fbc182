package sharding

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"trainer/internal/corpus"
	"trainer/internal/shard"
	"trainer/tokenizer"
)

// document is text of about n bytes that no other seed gives, with bytes that are not UTF-8 where raw is set.
func document(seed uint64, n int, raw bool) string {
	random := rand.New(rand.NewPCG(seed, 1))
	words := []string{"the", "river", "ferry,", "日本語。", "can't", "<eos>", "1894", "\n", "  "}
	if raw {
		words = append(words, "\xff")
	}
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[random.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()
}

// library is a folder with files of each kind, and the documents in it, in order.
func library(t testing.TB) (folder string, documents []string) {
	t.Helper()
	folder = t.TempDir()
	var lines, packed bytes.Buffer
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	long := document(1, 5<<19, true)
	write("a.txt", []byte(long))
	documents = append(documents, long)
	for i := range uint64(400) {
		text := document(2+i, 3000, false)
		fmt.Fprintf(&lines, "{\"id\":%d,\"text\":%q}\n", i, text)
		documents = append(documents, text)
	}
	write("b.jsonl", lines.Bytes())
	type row struct {
		Text string `parquet:"text"`
	}
	var rows []row
	for i := range uint64(60) {
		rows = append(rows, row{document(1000+i, 20_000, true)})
		documents = append(documents, rows[i].Text)
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, rows, parquet.MaxRowsPerRowGroup(30)); err != nil {
		t.Fatal(err)
	}
	write("c.parquet", b.Bytes())
	w := gzip.NewWriter(&packed)
	w.Write([]byte(long[1:]))
	w.Close()
	write("d.txt.gz", packed.Bytes())
	return folder, append(documents, long[1:])
}

// trained is a small vocabulary.
func trained(t testing.TB) tokenizer.Tokenizer {
	t.Helper()
	var trainer tokenizer.BPETrainer
	if err := trainer.Add(strings.NewReader(document(1, 10_000, false))); err != nil {
		t.Fatal(err)
	}
	return trainer.Train(300, 2)
}

func optionsFor(t testing.TB, tok tokenizer.Tokenizer, paths ...string) Options {
	t.Helper()
	files, _, err := corpus.Find(paths)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Tokenizer: tok, Files: files, Field: "text", ShardSize: 300_000, HeldOut: 0.1, EOS: true, Workers: 2, SaveEvery: 1 << 62}
}

// streams returns the tokens in a folder of shards.
func streams(t testing.TB, folder string, tok tokenizer.Tokenizer) (train, heldOut []int32) {
	t.Helper()
	a, b, err := shard.OpenFolder(folder, shard.Options{Tokenizer: tok})
	if err != nil {
		t.Fatal(err)
	}
	all := func(s *shard.Set) []int32 {
		if s == nil {
			return nil
		}
		defer s.Close()
		if err := s.Verify(context.Background()); err != nil {
			t.Fatal(err)
		}
		ids := make([]int32, s.Len())
		s.Read(ids, 0)
		return ids
	}
	return all(a), all(b)
}

func TestTheShardsAreTheDocumentsOneAfterTheOther(t *testing.T) {
	inputs, documents := library(t)
	tok := trained(t)
	for _, eos := range []bool{true, false} {
		o := optionsFor(t, tok, inputs)
		o.EOS = eos
		folder := t.TempDir()
		r, err := Run(folder, o)
		if err != nil {
			t.Fatal(err)
		}
		e := newEncoder(&o)
		var train, heldOut []int32
		var bytes int64
		held := int64(0)
		for _, text := range documents {
			to := &train
			if e.isHeldOut(text[:min(len(text), corpus.HeadSize)]) {
				to = &heldOut
				held++
			}
			ids, err := tok.Encode(text)
			if err != nil {
				t.Fatal(err)
			}
			*to = append(*to, ids...)
			if eos {
				*to = append(*to, tok.EOS())
			}
			bytes += int64(len(text))
		}
		gotTrain, gotHeldOut := streams(t, folder, tok)
		if !slices.Equal(gotTrain, train) || !slices.Equal(gotHeldOut, heldOut) {
			t.Errorf("eos %t: %d and %d tokens, want %d and %d, or others", eos, len(gotTrain), len(gotHeldOut), len(train), len(heldOut))
		}
		if r.Train.Bytes+r.HeldOut.Bytes != bytes || r.HeldOut.Documents != held || r.Train.Tokens != int64(len(train)) {
			t.Errorf("the sums are %+v", r)
		}
		if share := float64(held) / float64(len(documents)); share < 0.05 || share > 0.15 {
			t.Errorf("%.2f of the documents are held out, want about 0.1", share)
		}
	}
}

// contents is the names and contents of all files in a folder.
func contents(t testing.TB, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == ".lock" {
			return err
		}
		b, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, folder)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s is another", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("there are %d files, want %d", len(got), len(want))
	}
}

func TestTheNumberOfWorkersChangesNothing(t *testing.T) {
	inputs, _ := library(t)
	o := optionsFor(t, trained(t), inputs)
	var first map[string]string
	for _, o.Workers = range []int{1, 3} {
		folder := t.TempDir()
		if _, err := Run(folder, o); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = contents(t, folder)
		}
		same(t, contents(t, folder), first)
	}
}

var errStop = errors.New("stop")

// TestAStoppedRunGoesOnToTheSameBytes stops behind each block in turn, saved or not; kills of the process are tried in cmd/tokenize.
func TestAStoppedRunGoesOnToTheSameBytes(t *testing.T) {
	inputs, _ := library(t)
	o := optionsFor(t, trained(t), inputs)
	whole := t.TempDir()
	blocks := 0
	o.Observe = func(Progress) { blocks++ }
	if _, err := Run(whole, o); err != nil {
		t.Fatal(err)
	}
	want := contents(t, whole)
	stride := 3
	if testing.Short() {
		stride = 6
	}
	for stop := 1; stop <= blocks; stop += stride {
		for _, o.SaveEvery = range []time.Duration{0, 1 << 62} {
			folder := t.TempDir()
			n := 0
			o.Observe = func(Progress) {
				if n++; n == stop {
					panic(errStop)
				}
			}
			func() {
				defer func() {
					if p := recover(); p != errStop {
						t.Fatalf("stopped by %v", p)
					}
				}()
				Run(folder, o)
			}()
			o.Observe = nil
			r, err := Run(folder, o)
			if err != nil {
				t.Fatal(err)
			}
			if o.SaveEvery == 0 && stop > 1 && r.Resumed.Tokens == 0 {
				t.Errorf("stopped at block %d the run began anew", stop)
			}
			same(t, contents(t, folder), want)
		}
	}
	if blocks < 7 {
		t.Errorf("only %d blocks", blocks)
	}
}
