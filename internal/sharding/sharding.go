// Package sharding turns text files into shards of tokens: package corpus reads, workers encode, package shard writes, all at
// the same time and in the order of the files, so that the shards do not depend on the number of workers.
//
//	files -> corpus.Reader -> blocks -> workers: tokenizer.Encode -> in order -> shard.Writer: train/, held-out/
//
// The folder has an index, shards.json (manifest.go), which says what the shards are made from and how far that is: a run that
// was killed goes on from there, and what it leaves in the end is what a run at one go would have left, byte for byte.
//
// Start at Run; pipeline.go is the traffic, encode.go what a worker does.
package sharding

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"trainer/internal/atomicfile"
	"trainer/internal/corpus"
	"trainer/internal/fault"
	"trainer/internal/lockfile"
	"trainer/internal/shard"
	"trainer/tokenizer"
)

// Options say what to make shards of, and how. What the shards are depends on all of them but for Workers, SaveEvery and Observe.
type Options struct {
	Tokenizer tokenizer.Tokenizer
	Files     []corpus.File
	Field     string  // of JSON lines and Parquet, which has the text
	ShardSize int64   // tokens
	HeldOut   float64 // share of the documents that are not to be trained on, 0 to 1
	EOS       bool    // put the tokenizer's EOS behind each document

	Overwrite bool          // begin anew, whatever there is
	Workers   int           // that encode at the same time, at least 1
	SaveEvery time.Duration // how much work a kill may cost
	Observe   func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Read, Size int64 // bytes of the files: read, and of all
	Totals           // of both streams, with what an earlier run did
}

// Totals are sums over documents.
type Totals struct {
	Documents int64 `json:"documents"`
	Bytes     int64 `json:"bytes"` // of text
	Tokens    int64 `json:"tokens"`
}

func (t *Totals) add(u Totals) {
	t.Documents += u.Documents
	t.Bytes += u.Bytes
	t.Tokens += u.Tokens
}

// Result is what was made.
type Result struct {
	Train, HeldOut             Totals
	TrainShards, HeldOutShards int
	Resumed                    Totals // what of it was there already when Run began
}

// Run makes shards of files in a folder, or goes on where an earlier run with the same options stopped. Errors are of class
// usage where the folder is one of other options, of class data where a file cannot be read, and say which file and where in it.
func Run(folder string, o Options) (*Result, error) {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, fmt.Errorf("cannot make the folder for the shards: %w", err)
	}
	lock, err := lockfile.Acquire(folder)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	if err := atomicfile.Recover(folder); err != nil { // a kill while the index was written
		return nil, err
	}
	m, err := begin(folder, &o)
	if err != nil {
		return nil, err
	}
	r := &run{folder: folder, options: &o, manifest: m, saved: time.Now()}
	before := m.Trained
	before.add(m.Held)
	if err := r.all(); err != nil {
		return nil, err
	}
	return &Result{
		Train: m.Trained, HeldOut: m.Held, TrainShards: m.Train.Shards, HeldOutShards: m.HeldOut.Shards, Resumed: before,
	}, nil
}

// run is a run under way.
type run struct {
	folder   string
	options  *Options
	manifest *manifest
	train    *shard.Writer
	heldOut  *shard.Writer // nil where nothing is held out
	saved    time.Time
}

// all does what is left to do.
func (r *run) all() (err error) {
	if err := r.openWriters(); err != nil {
		return err
	}
	defer func() {
		for _, w := range r.writers() {
			if closing := w.Close(); err == nil {
				err = closing
			}
		}
	}()
	if r.manifest.Complete {
		return nil
	}
	if err := encodeAll(r.options, r.manifest.Position, r.add); err != nil {
		return err
	}
	for _, w := range r.writers() {
		if err := w.Finish(); err != nil {
			return err
		}
	}
	switch m := r.manifest; {
	case m.Trained.Documents+m.Held.Documents == 0:
		return fault.Dataf("there is no text in the files: all documents are empty")
	case m.Trained.Documents == 0:
		return fault.Dataf("all %d documents were held out: a smaller -held-out or more documents leave some to train on", m.Held.Documents)
	}
	r.manifest.Complete = true
	return r.save()
}

// openWriters opens the streams where the manifest says that they end.
func (r *run) openWriters() error {
	open := func(name string, from shard.State) (*shard.Writer, error) {
		return shard.NewWriter(filepath.Join(r.folder, name), r.options.Tokenizer, r.options.ShardSize, from)
	}
	var err error
	if r.train, err = open(shard.TrainFolder, r.manifest.Train); err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(r.folder, shard.HeldOutFolder))
	if r.options.HeldOut == 0 && err != nil { // otherwise what an overwritten run held out has to go
		return nil
	}
	if r.heldOut, err = open(shard.HeldOutFolder, r.manifest.HeldOut); err != nil {
		r.train.Close()
	}
	return err
}

func (r *run) writers() []*shard.Writer {
	if r.heldOut == nil {
		return []*shard.Writer{r.train}
	}
	return []*shard.Writer{r.train, r.heldOut}
}

// add writes what a block has become, and saves now and then.
func (r *run) add(b *corpus.Block, e *encoded) error {
	m := r.manifest
	if err := e.train.appendTo(r.train, &m.Trained); err != nil {
		return err
	}
	if r.heldOut != nil {
		if err := e.heldOut.appendTo(r.heldOut, &m.Held); err != nil {
			return err
		}
	}
	m.Position = b.Next
	if o := r.options; o.Observe != nil {
		p := Progress{Read: b.Consumed, Size: m.size(), Totals: m.Trained}
		p.add(m.Held)
		o.Observe(p)
	}
	complete := false
	for _, w := range r.writers() {
		complete = complete || w.HasComplete()
	}
	if !complete && time.Since(r.saved) < r.options.SaveEvery {
		return nil
	}
	return r.save()
}

// save makes what was written so far last: first the tokens, then the manifest that counts on them, then the names of shards.
func (r *run) save() error {
	var err error
	if r.manifest.Train, err = r.train.Sync(); err != nil {
		return err
	}
	if r.heldOut != nil {
		if r.manifest.HeldOut, err = r.heldOut.Sync(); err != nil {
			return err
		}
	}
	if err := r.manifest.write(r.folder); err != nil {
		return err
	}
	for _, w := range r.writers() {
		if err := w.Publish(); err != nil {
			return err
		}
	}
	r.saved = time.Now()
	return nil
}

// writeTokenizer puts the tokenizer beside the shards, for those who read them.
func writeTokenizer(folder string, o *Options) error {
	path := filepath.Join(folder, tokenizer.FileName)
	if _, err := os.Stat(path); err == nil {
		there, err := tokenizer.Load(path)
		if err == nil && shard.TokenizerFingerprint(there) == shard.TokenizerFingerprint(o.Tokenizer) {
			return nil
		}
		if !o.Overwrite {
			return fault.Usagef("%s is there already, and another tokenizer: choose another -out, or -overwrite it", path)
		}
	}
	// The tokenizer comes last: where it is, a kill in between has not left the other one out.
	err := atomicfile.Write(filepath.Join(folder, tokenizer.ConfigFileName), writerOf(tokenizer.ConfigJSON(o.Tokenizer, 0)))
	if err != nil {
		return err
	}
	return atomicfile.Write(path, writerOf(o.Tokenizer.JSON()))
}
