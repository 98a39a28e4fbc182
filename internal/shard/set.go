package shard

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"sync"

	"trainer/internal/fault"
	"trainer/tokenizer"
)

// Options say which shards are accepted.
type Options struct {
	// Tokenizer is the one that must have made the tokens.
	Tokenizer tokenizer.Tokenizer
	// Unmarked accepts llm.c's files, which do not say by which tokenizer they were made. They are read once when they are
	// opened, and an id that Tokenizer does not have is an error.
	Unmarked bool
}

// Set is a list of shards as one stream of tokens. It is safe for concurrent use until it is closed.
type Set struct {
	files       []*file
	starts      []int // where in the stream each file begins, and behind the last where the stream ends
	fingerprint string
}

// Open opens shards, in the order given, as one stream. A folder stands for the shards in it, those of a Writer and those of
// llm.c, in the order of their names; the former must be complete up to the last. Errors are of class data and name the file.
func Open(paths []string, o Options) (*Set, error) {
	s := &Set{}
	done := false
	defer func() {
		if !done {
			s.Close()
		}
	}()
	for _, path := range paths {
		if err := s.open(path); err != nil {
			return nil, err
		}
	}
	if len(s.files) == 0 {
		return nil, fault.Dataf("there is no shard to open: name files or folders")
	}
	if err := s.check(o); err != nil {
		return nil, err
	}
	s.index()
	done = true
	return s, nil
}

// open adds the shards of a file or folder.
func (s *Set) open(path string) error {
	names := []string{path}
	info, err := os.Stat(path)
	if err != nil {
		return fault.Dataf("cannot read the tokens: %w", err)
	}
	if info.IsDir() {
		if names, err = list(path); err != nil {
			return err
		}
	}
	for i, name := range names {
		f, err := openFile(name)
		if err != nil {
			return err
		}
		s.files = append(s.files, f)
		if info.IsDir() && !f.unmarked && f.number != i {
			return fault.Dataf("%s is shard %d, but %d come before it in %s: one is missing or there twice", name, f.number, i, path)
		}
	}
	return nil
}

// list returns the paths of the shards in a folder.
func list(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.Dataf("cannot read the tokens: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if extension := filepath.Ext(entry.Name()); extension == Extension || extension == LLMCExtension {
			paths = append(paths, filepath.Join(folder, entry.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fault.Dataf("the folder %s has no shards: expected files %s, or %s of llm.c", folder, "*"+Extension, "*"+LLMCExtension)
	}
	return paths, nil
}

// check returns an error unless all shards are of the tokenizer.
func (s *Set) check(o Options) error {
	want := TokenizerFingerprint(o.Tokenizer)
	var unmarked []*file
	for _, f := range s.files {
		switch {
		case !f.unmarked && f.tokenizer != want:
			return fault.Dataf("%s was made by another tokenizer: its fingerprint is %x, that of the tokenizer here %x", f.path, f.tokenizer[:4], want[:4])
		case f.unmarked && !o.Unmarked:
			return fault.Dataf("%s is a file of llm.c, which does not say by which tokenizer it was made", f.path)
		case f.unmarked:
			unmarked = append(unmarked, f)
		}
	}
	if unmarked == nil {
		return nil
	}
	lengths := make([]int64, o.Tokenizer.VocabSize())
	for id := range lengths {
		lengths[id] = int64(len(o.Tokenizer.Decode([]int32{int32(id)})))
	}
	return each(context.Background(), unmarked, func(f *file) error { return f.adopt(o.Tokenizer, lengths) })
}

// each calls do for all files, on all cores, until one fails. Of several errors it returns that of the first file.
func each(ctx context.Context, files []*file, do func(f *file) error) error {
	errs := make([]error, len(files))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for w := range min(runtime.GOMAXPROCS(0), len(files)) {
		workers.Go(func() {
			for i := w; i < len(files) && ctx.Err() == nil; i += min(runtime.GOMAXPROCS(0), len(files)) {
				if errs[i] = do(files[i]); errs[i] != nil {
					cancel(errs[i])
				}
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// index sums up what the files say.
func (s *Set) index() {
	hash := sha256.New()
	s.starts = make([]int, 1, len(s.files)+1)
	for _, f := range s.files {
		s.starts = append(s.starts, s.Len()+int(f.tokens))
		hash.Write(binary.LittleEndian.AppendUint64(f.sum[:], uint64(f.tokens)))
	}
	s.fingerprint = hex.EncodeToString(hash.Sum(nil)[:16])
}

// Len is the number of tokens.
func (s *Set) Len() int { return s.starts[len(s.starts)-1] }

// Bytes is the size of the text that the tokens stand for.
func (s *Set) Bytes() int {
	n := int64(0)
	for _, f := range s.files {
		n += f.bytes
	}
	return int(n)
}

// Documents is how many documents end in the stream.
func (s *Set) Documents() int {
	n := int64(0)
	for _, f := range s.files {
		n += f.documents
	}
	return int(n)
}

// Shards is the number of files.
func (s *Set) Shards() int { return len(s.files) }

// Fingerprint is a hash of the tokens, from the checksums in the headers: whether they are true Verify says.
func (s *Set) Fingerprint() string { return s.fingerprint }

// Read fills dst with the tokens that begin at a place of the stream. It panics unless all of them are inside of it.
func (s *Set) Read(dst []int32, at int) {
	if at < 0 || len(dst) > s.Len()-at {
		panic(fmt.Sprintf("shard: %d tokens at %d are outside of a stream of %d", len(dst), at, s.Len()))
	}
	for i := sort.SearchInts(s.starts, at+1) - 1; len(dst) > 0; i++ {
		n := min(len(dst), s.starts[i+1]-at)
		s.files[i].read(dst[:n], int64(at-s.starts[i]))
		dst, at = dst[n:], at+n
	}
}

// Verify reads all tokens and returns an error, of class data, that names the first shard whose tokens are not those that were
// written. It takes about as long as reading the files; ctx ends it early. Files of llm.c have no checksum.
func (s *Set) Verify(ctx context.Context) error {
	marked := slices.DeleteFunc(slices.Clone(s.files), func(f *file) bool { return f.unmarked })
	return each(ctx, marked, (*file).verify)
}

// Close gives the files back. The set must not be used any more.
func (s *Set) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.content.close())
	}
	s.files = nil
	return errors.Join(errs...)
}
