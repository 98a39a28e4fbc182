package shard

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"trainer/internal/fault"
	"trainer/tokenizer"
)

// wide is a tokenizer whose ids do not fit into two bytes.
func wide(t testing.TB) tokenizer.Tokenizer {
	t.Helper()
	words := make([]string, 1<<16)
	for i := range words {
		words[i] = fmt.Sprint("w", i)
	}
	w, err := tokenizer.NewWord(words)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// stream is n ids of a tokenizer, as if by chance.
func stream(t tokenizer.Tokenizer, n int) []int32 {
	random := rand.New(rand.NewPCG(3, 4))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(random.IntN(t.VocabSize()))
	}
	return ids
}

// write writes ids as shards of size tokens into a new folder, a document after the other.
func write(t testing.TB, tok tokenizer.Tokenizer, size int64, documents ...[]int32) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "train")
	w, err := NewWriter(folder, tok, size, State{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ids := range documents {
		if err := w.Append(ids, int64(len(ids)), true); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, w)
	return folder
}

// finish completes what a writer has.
func finish(t testing.TB, w *Writer) {
	t.Helper()
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, tok tokenizer.Tokenizer, paths ...string) *Set {
	t.Helper()
	s, err := Open(paths, Options{Tokenizer: tok, Unmarked: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestASetReadsWhatWasWrittenFromAnyPlace(t *testing.T) {
	for _, tok := range []tokenizer.Tokenizer{tokenizer.NewBytes(), wide(t)} {
		ids := stream(tok, 1000)
		s := open(t, tok, write(t, tok, 128, ids[:300], ids[300:301], ids[301:]))
		if s.Len() != 1000 || s.Bytes() != 1000 || s.Documents() != 3 || s.Shards() != 8 {
			t.Errorf("%d tokens, %d bytes, %d documents, %d shards; want 1000, 1000, 3, 8", s.Len(), s.Bytes(), s.Documents(), s.Shards())
		}
		for at := range 1001 {
			for _, n := range []int{0, 1, 127, 128, 129, 400} {
				if n > 1000-at {
					continue
				}
				got := make([]int32, n)
				if s.Read(got, at); !slices.Equal(got, ids[at:at+n]) {
					t.Fatalf("%d tokens at %d are %d, want %d", n, at, got, ids[at:at+n])
				}
			}
		}
		if err := s.Verify(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestReadingOutsideOfASetPanicsWithThePlace(t *testing.T) {
	tok := tokenizer.NewBytes()
	s := open(t, tok, write(t, tok, 4, stream(tok, 10)))
	for _, at := range []int{-1, 8, 11} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, fmt.Sprintf("3 tokens at %d are outside of a stream of 10", at)) {
					t.Errorf("reading at %d: %s", at, text)
				}
			}()
			s.Read(make([]int32, 3), at)
		}()
	}
}

func TestTheFingerprintIsThatOfTheTokens(t *testing.T) {
	tok := tokenizer.NewBytes()
	ids := stream(tok, 100)
	first := open(t, tok, write(t, tok, 30, ids)).Fingerprint()
	if again := open(t, tok, write(t, tok, 30, ids)).Fingerprint(); again != first {
		t.Errorf("the same tokens have the fingerprints %s and %s", first, again)
	}
	ids[99]++
	if other := open(t, tok, write(t, tok, 30, ids)).Fingerprint(); other == first {
		t.Error("other tokens have the same fingerprint")
	}
}

// change writes a copy of a file with changed bytes beside it, and returns its path.
func change(t *testing.T, path string, how func(b []byte) []byte) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "changed"+filepath.Ext(path))
	if err := os.WriteFile(changed, how(b), 0o666); err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestBadShardsAreRefusedByName(t *testing.T) {
	tok := tokenizer.NewBytes()
	good := filepath.Join(write(t, tok, 64, stream(tok, 64)), fileName(0))
	put := func(at int, value uint32) func(b []byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], value); return b }
	}
	sealed := func(change func(h *header)) func(b []byte) []byte {
		return func(b []byte) []byte {
			h, err := decodeHeader(b, int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			change(h)
			return append(h.encode(), b[headerSize:]...)
		}
	}
	cut := func(n int) func(b []byte) []byte { return func(b []byte) []byte { return b[:n] } }
	for _, c := range []struct {
		name string
		how  func(b []byte) []byte
		want string
	}{
		{"nothing", cut(0), "is cut short: it has 0 bytes"},
		{"half a header", cut(100), "is cut short: it has 100 bytes"},
		{"no tokens", cut(headerSize), "is cut short: it has 256 bytes and promises 64 tokens"},
		{"a byte less", cut(headerSize + 127), "is cut short: it has 383 bytes"},
		{"a byte more", func(b []byte) []byte { return append(b, 0) }, "has 385 bytes, expected 384: something follows the 64 tokens"},
		{"other magic", put(0, 1), "not a shard"},
		{"a later version", put(8, 2), "has version 2 of the format, expected 1"},
		{"a bit of the header", put(20, 1), "damaged header"},
		{"a bit of the rest", put(200, 1), "damaged header"},
		{"width 3", sealed(func(h *header) { h.width = 3 }), "impossible header: 3 bytes a token"},
		{"negative bytes", sealed(func(h *header) { h.bytes = -1 }), "impossible header"},
		{"more documents than tokens", sealed(func(h *header) { h.documents = 65 }), "impossible header"},
		{"zero tokens", sealed(func(h *header) { h.tokens, h.documents = 0, 0 }), "promises 0 tokens, expected at least 1"},
		{"tokens beyond all bounds", sealed(func(h *header) { h.tokens = 1<<63 - 1 }), "is cut short"},
		{"negative tokens", sealed(func(h *header) { h.tokens, h.documents = -1<<63, -1<<63 }), "impossible header"},
		{"another tokenizer", sealed(func(h *header) { h.tokenizer[0]++ }), "was made by another tokenizer"},
	} {
		path := change(t, good, c.how)
		if s, err := Open([]string{path}, Options{Tokenizer: tok, Unmarked: true}); err == nil {
			s.Close()
			t.Errorf("%s: opened", c.name)
		} else if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %q, want a data fault that names the file and says %q", c.name, err, c.want)
		}
	}
}

func TestDamagedTokensAreFoundByVerify(t *testing.T) {
	tok := tokenizer.NewBytes()
	folder := write(t, tok, 40, stream(tok, 100))
	for i, path := range []string{fileName(0), fileName(1), fileName(2)} {
		damaged := change(t, filepath.Join(folder, path), func(b []byte) []byte { b[headerSize+19*i] ^= 1; return b })
		s := open(t, tok, filepath.Join(folder, fileName(0)), damaged, filepath.Join(folder, fileName(1)))
		if err := s.Verify(context.Background()); fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), damaged+" is damaged") {
			t.Errorf("%v, want that %s is damaged", err, damaged)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := open(t, tok, folder).Verify(ctx); err != context.Canceled {
		t.Errorf("a cancelled Verify returns %v", err)
	}
}

func TestAFolderWithAMissingShardIsRefused(t *testing.T) {
	tok := tokenizer.NewBytes()
	folder := write(t, tok, 10, stream(tok, 35))
	if err := os.Remove(filepath.Join(folder, fileName(1))); err != nil {
		t.Fatal(err)
	}
	want := fileName(2) + " is shard 2, but 1 come before it"
	if _, err := Open([]string{folder}, Options{Tokenizer: tok}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	for path, want := range map[string]string{
		t.TempDir():                     "has no shards: expected files *.tokens, or *.bin of llm.c",
		filepath.Join(folder, "absent"): "no such file",
	} {
		if _, err := Open([]string{path}, Options{Tokenizer: tok}); fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

func TestAWriterGoesOnFromAnyStateByteForByte(t *testing.T) {
	tok := tokenizer.NewBytes()
	ids := stream(tok, 230)
	want := contents(t, write(t, tok, 50, ids[:100], ids[100:]))
	for _, kept := range []int{0, 1, 49, 50, 51, 99} {
		for _, published := range []bool{true, false} {
			folder := t.TempDir()
			w, err := NewWriter(folder, tok, 50, State{})
			if err != nil {
				t.Fatal(err)
			}
			w.Append(ids[:kept], int64(kept), false)
			state, err := w.Sync()
			if err != nil {
				t.Fatal(err)
			}
			if published { // otherwise the kill comes between the state and the names
				w.Publish()
			}
			w.Append(ids[kept:], int64(230-kept), true) // and is lost
			w.buffer.Flush()
			w.Close()

			w, err = NewWriter(folder, tok, 50, state)
			if err != nil {
				t.Fatal(err)
			}
			w.Append(ids[kept:100], int64(100-kept), true)
			w.Append(ids[100:], 130, true)
			finish(t, w)
			if got := contents(t, folder); !slices.Equal(got, want) {
				t.Fatalf("kept at %d (names given: %t): the folder is another", kept, published)
			}
		}
	}
}

// contents is the names and contents of all files in a folder.
func contents(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		b, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry.Name()+" "+string(b))
	}
	return all
}

func TestAWriterRefusesAPartialFileThatIsTooShort(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "000000.partial"), make([]byte, headerSize+19), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := NewWriter(folder, tokenizer.NewBytes(), 50, State{Tokens: 10})
	if want := "000000.partial has 275 bytes, expected at least 276"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestReadingTakesNoMemory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files are not mapped there")
	}
	tok := tokenizer.NewBytes()
	s := open(t, tok, write(t, tok, 100, stream(tok, 1000)))
	dst := make([]int32, 512)
	if n := testing.AllocsPerRun(10, func() { s.Read(dst, 77) }); n != 0 {
		t.Errorf("a read allocates %v times", n)
	}
}

// FuzzOpen holds that any file is either read, every token of it, or refused by an error of class data that names it.
func FuzzOpen(f *testing.F) {
	tok := tokenizer.NewBytes()
	good, err := os.ReadFile(filepath.Join(write(f, tok, 8, stream(tok, 8)), fileName(0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:headerSize+1])
	f.Add(llmc(20240520, 1, 3, []uint16{1, 2, 3}))
	f.Add(llmc(20240801, 7, 1, []uint32{4}))
	f.Add(llmc(20240801, 7, 2, []uint32{4})[:1024])
	path := filepath.Join(f.TempDir(), "x.tokens")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		s, err := Open([]string{path}, Options{Tokenizer: tok, Unmarked: true})
		if err != nil {
			if fault.ExitCode(err) != fault.ExitData || !strings.Contains(err.Error(), path) {
				t.Errorf("%v; want an error of class data that names the file", err)
			}
			return
		}
		defer s.Close()
		s.Read(make([]int32, s.Len()), 0)
		if err := s.Verify(context.Background()); err != nil && fault.ExitCode(err) != fault.ExitData {
			t.Error(err)
		}
	})
}
