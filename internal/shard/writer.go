package shard

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"trainer/internal/atomicfile"
	"trainer/internal/fault"
	"trainer/tokenizer"
)

// partialExtension is that of a shard which is not yet known to the index.
const partialExtension = ".partial"

// State is how far a Writer has come. Kept in a file, it lets another Writer go on from there.
type State struct {
	Shards    int   `json:"shards"`         // complete ones
	Tokens    int64 `json:"open_tokens"`    // in the shard that comes next
	Bytes     int64 `json:"open_bytes"`     // of the text that they stand for
	Documents int64 `json:"open_documents"` // that end among them
}

// Writer writes a stream of tokens into a folder, in shards of the same number of tokens but for the last.
//
// The right to a name is given in steps, so that a kill or a power cut at any instant does no harm: the tokens go to a partial
// file; Sync puts them on the disk and returns the State, which the caller keeps in a file; Publish then gives the complete
// shards their names. NewWriter with the kept State does what of this was not done, and forgets what came after.
type Writer struct {
	folder    string
	size      int64 // tokens of a shard
	width     int
	tokenizer [sha256.Size]byte

	state     State
	published int // shards that have their names
	file      *os.File
	buffer    *bufio.Writer
	sum       hash.Hash // of the tokens of the shard
	scratch   []byte
}

// bufferSize in bytes.
const bufferSize = 256 << 10

// NewWriter returns a Writer into a folder, which is made where it is missing, that goes on from a State: the zero State
// begins anew. What the folder has beyond the State is removed. size is how many tokens a shard has, at least 1.
func NewWriter(folder string, t tokenizer.Tokenizer, size int64, from State) (*Writer, error) {
	w := &Writer{
		folder: folder, size: size, width: widthFor(t.VocabSize()), tokenizer: TokenizerFingerprint(t), state: from, sum: sha256.New(),
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, w.explain(folder, err)
	}
	if err := w.tidy(); err != nil {
		return nil, err
	}
	if err := w.Publish(); err != nil {
		return nil, err
	}
	if err := w.begin(); err != nil {
		if w.file != nil {
			w.file.Close()
		}
		return nil, err
	}
	return w, nil
}

// tidy removes the shards that are beyond the state.
func (w *Writer) tidy() error {
	entries, err := os.ReadDir(w.folder)
	if err != nil {
		return w.explain(w.folder, err)
	}
	keep := map[string]bool{w.partial(w.state.Shards): true}
	for i := range w.state.Shards {
		keep[w.final(i)], keep[w.partial(i)] = true, true
	}
	for _, entry := range entries {
		path := filepath.Join(w.folder, entry.Name())
		ours := strings.HasSuffix(path, Extension) || strings.HasSuffix(path, partialExtension)
		if !ours || keep[path] {
			continue
		}
		if err := os.Remove(path); err != nil {
			return w.explain(path, err)
		}
	}
	return nil
}

func (w *Writer) final(number int) string { return filepath.Join(w.folder, fileName(number)) }

func (w *Writer) partial(number int) string {
	return strings.TrimSuffix(w.final(number), Extension) + partialExtension
}

// explain says which file could not be written and what that means.
func (w *Writer) explain(path string, err error) error {
	return atomicfile.Explain(path, "the shards before it are kept, and the same command goes on behind them", err)
}

// begin opens the shard that comes next, with the tokens that the state says are in it.
func (w *Writer) begin() error {
	path := w.partial(w.state.Shards)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return w.explain(path, err)
	}
	w.file = f
	w.sum.Reset()
	size := headerSize + w.state.Tokens*int64(w.width)
	info, err := f.Stat()
	switch {
	case err != nil:
		return w.explain(path, err)
	case w.state.Tokens > 0 && info.Size() < size:
		return fault.Dataf("%s has %d bytes, expected at least %d, as %s says: begin anew in another folder", path, info.Size(), size, IndexName)
	}
	err = f.Truncate(size) // up or down: a header of zeros is that of no shard
	if err == nil {
		_, err = f.Seek(headerSize, io.SeekStart)
	}
	if err == nil {
		_, err = io.Copy(w.sum, f) // which leaves f at its end
	}
	if err != nil {
		return w.explain(path, err)
	}
	w.buffer = bufio.NewWriterSize(f, bufferSize)
	return nil
}

// Append adds tokens that stand for some bytes of text; ends says that the last of them is the last of a document. White space
// may be text for which there is no token.
func (w *Writer) Append(ids []int32, bytes int64, ends bool) error {
	if len(ids) == 0 {
		w.state.Bytes += bytes
	}
	for len(ids) > 0 {
		n := min(w.size-w.state.Tokens, int64(len(ids)))
		// Where a piece goes into two shards, so do its bytes, in proportion.
		share := bytes * n / int64(len(ids))
		if err := w.write(ids[:n]); err != nil {
			return err
		}
		ids, bytes = ids[n:], bytes-share
		w.state.Tokens += n
		w.state.Bytes += share
		if ends && len(ids) == 0 {
			w.state.Documents++
		}
		if w.state.Tokens == w.size {
			if err := w.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

// write puts tokens into the open shard.
func (w *Writer) write(ids []int32) error {
	raw := w.scratch[:0]
	for _, id := range ids {
		if w.width == 2 {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(id))
		} else {
			raw = binary.LittleEndian.AppendUint32(raw, uint32(id))
		}
	}
	w.scratch = raw
	w.sum.Write(raw)
	if _, err := w.buffer.Write(raw); err != nil {
		return w.explain(w.file.Name(), err)
	}
	return nil
}

// end completes the open shard and begins the next.
func (w *Writer) end() error {
	h := header{
		width: w.width, tokens: w.state.Tokens, bytes: w.state.Bytes, documents: w.state.Documents, number: w.state.Shards,
		tokenizer: w.tokenizer, sum: [sha256.Size]byte(w.sum.Sum(nil)),
	}
	err := w.buffer.Flush()
	if err == nil {
		_, err = w.file.WriteAt(h.encode(), 0)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = w.file.Close()
	}
	if err != nil {
		return w.explain(w.file.Name(), err)
	}
	w.state = State{Shards: w.state.Shards + 1}
	return w.begin()
}

// HasComplete returns whether there are complete shards without their names.
func (w *Writer) HasComplete() bool { return w.published < w.state.Shards }

// Sync puts all tokens on the disk and returns the state to keep.
func (w *Writer) Sync() (State, error) {
	err := w.buffer.Flush()
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = atomicfile.SyncFolder(w.folder)
	}
	if err != nil {
		return State{}, w.explain(w.file.Name(), err)
	}
	return w.state, nil
}

// Publish gives the complete shards their names. The State that counts them must have been kept before.
func (w *Writer) Publish() error {
	for ; w.published < w.state.Shards; w.published++ {
		path := w.final(w.published)
		err := os.Rename(w.partial(w.published), path)
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Stat(path) // it has its name already
		}
		if err != nil {
			return w.explain(path, err)
		}
	}
	return nil
}

// Finish completes the last shard, however short.
func (w *Writer) Finish() error {
	if w.state.Tokens == 0 {
		return nil
	}
	return w.end()
}

// Close closes the file of the open shard, and removes it where it is empty.
func (w *Writer) Close() error {
	err := w.file.Close()
	if w.state.Tokens == 0 {
		err = errors.Join(err, os.Remove(w.file.Name()))
	}
	if err != nil {
		return fmt.Errorf("closing the shards: %w", err)
	}
	return nil
}
