package sharding

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"trainer/internal/atomicfile"
	"trainer/internal/corpus"
	"trainer/internal/fault"
	"trainer/internal/shard"
)

// manifest is the content of shards.json: what the shards are made from, and how far that is.
type manifest struct {
	shard.Index
	Position corpus.Position `json:"position"` // of the text that comes next
	Trained  Totals          `json:"train_totals"`
	Held     Totals          `json:"held_out_totals"`
	From     source          `json:"made_from"`
}

// source is what the tokens depend on.
type source struct {
	Tokenizer string  `json:"tokenizer"` // fingerprint
	Field     string  `json:"field"`
	ShardSize int64   `json:"shard_size"`
	HeldOut   float64 `json:"held_out"`
	EOS       bool    `json:"eos"`
	Inputs    []input `json:"inputs"`
}

type input struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

func sourceOf(o *Options) source {
	fingerprint := shard.TokenizerFingerprint(o.Tokenizer)
	s := source{
		Tokenizer: hex.EncodeToString(fingerprint[:]), Field: o.Field, ShardSize: o.ShardSize, HeldOut: o.HeldOut, EOS: o.EOS,
	}
	for _, f := range o.Files {
		s.Inputs = append(s.Inputs, input{f.Path, f.Size, f.Modified.UTC()})
	}
	return s
}

// differs says what is another in what is asked for now, "" if nothing is.
func (s *source) differs(now *source) string {
	switch {
	case s.Tokenizer != now.Tokenizer:
		return fmt.Sprintf("-tokenizer: another one, of the fingerprint %.8s, not %.8s", s.Tokenizer, now.Tokenizer)
	case s.ShardSize != now.ShardSize:
		return fmt.Sprintf("-shard-size %d, not %d", s.ShardSize, now.ShardSize)
	case s.HeldOut != now.HeldOut:
		return fmt.Sprintf("-held-out %v, not %v", s.HeldOut, now.HeldOut)
	case s.EOS != now.EOS:
		return fmt.Sprintf("-eos=%t, not %t", s.EOS, now.EOS)
	case s.Field != now.Field:
		return fmt.Sprintf("-field %s, not %s", s.Field, now.Field)
	case len(s.Inputs) != len(now.Inputs):
		return fmt.Sprintf("%d files, not %d", len(s.Inputs), len(now.Inputs))
	}
	for i, was := range s.Inputs {
		is := now.Inputs[i]
		switch {
		case was.Path != is.Path:
			return fmt.Sprintf("%s as file %d, not %s", was.Path, i+1, is.Path)
		case was.Size != is.Size || !was.Modified.Equal(is.Modified):
			return fmt.Sprintf("another %s, which has changed since", was.Path)
		}
	}
	return ""
}

// size is how many bytes the files have.
func (m *manifest) size() int64 {
	n := int64(0)
	for _, f := range m.From.Inputs {
		n += f.Size
	}
	return n
}

// begin returns the manifest of a folder, a new one where there is none or it is to be overwritten.
func begin(folder string, o *Options) (*manifest, error) {
	now := sourceOf(o)
	found, err := read(folder)
	switch {
	case err != nil && !o.Overwrite:
		return nil, err
	case found == nil || o.Overwrite:
		if err := checkFree(folder, o.Overwrite); err != nil {
			return nil, err
		}
		if err := writeTokenizer(folder, o); err != nil {
			return nil, err
		}
		m := &manifest{From: now}
		return m, m.write(folder)
	}
	if difference := found.From.differs(&now); difference != "" {
		return nil, fault.Usagef("%s was begun with %s: use the same arguments to go on, choose another -out, or -overwrite it", folder, difference)
	}
	return found, nil
}

// read returns the manifest in a folder, nil if there is none.
func read(folder string) (*manifest, error) {
	path := filepath.Join(folder, shard.IndexName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Dataf("cannot see how far the shards are: %w", err)
	}
	m := &manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fault.Dataf("%s is damaged: %w: choose another -out, or -overwrite it", path, err)
	}
	p := m.Position
	if p.File < 0 || p.File > len(m.From.Inputs) || p.Offset < 0 || p.Lines < 0 || !possible(m.Train) || !possible(m.HeldOut) {
		return nil, fault.Dataf("%s is damaged: it has impossible numbers: choose another -out, or -overwrite it", path)
	}
	return m, nil
}

func possible(s shard.State) bool {
	return s.Shards >= 0 && s.Tokens >= 0 && s.Bytes >= 0 && s.Documents >= 0
}

// checkFree returns an error if new shards would replace some which this program does not know.
func checkFree(folder string, overwrite bool) error {
	for _, name := range []string{shard.TrainFolder, shard.HeldOutFolder} {
		path := filepath.Join(folder, name)
		entries, err := os.ReadDir(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("-out: %w", err)
		}
		if len(entries) > 0 && !overwrite {
			return fault.Usagef("%s is not empty, and there is no %s in %s: choose another -out, or -overwrite it", path, shard.IndexName, folder)
		}
	}
	return nil
}

// write replaces shards.json.
func (m *manifest) write(folder string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("sharding: %v", err))
	}
	return atomicfile.Write(filepath.Join(folder, shard.IndexName), writerOf(append(data, '\n')))
}

// writerOf returns what writes a content.
func writerOf(content []byte) func(w io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
}
