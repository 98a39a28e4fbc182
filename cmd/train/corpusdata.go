package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"trainer/internal/corpus"
	"trainer/internal/fault"
	"trainer/internal/format"
	"trainer/internal/shard"
	"trainer/internal/sharding"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// corpusMaterial is text in shards of tokens, which may be larger than memory: those that tokenize shards made or llm.c's, or shards that are
// made here, on the way, of files of text.
type corpusMaterial struct {
	arguments *arguments
	path      string
	names     tokenizer.Tokenizer
	trained   *shard.Set
	heldOut   *shard.Set // nil where nothing is held out
	encoded   *lessons
}

// corpusKind says what kind of corpus -data names.
type corpusKind int

const (
	noCorpus   corpusKind = iota
	madeShards            // a folder that tokenize shards wrote
	llmcShards            // files of llm.c
	textFiles             // files of text to make shards of
)

// largeText is the size from which on a text is not learned from memory but from shards.
const largeText = 64 << 20

// corpusKindOf looks at what lies at a path. What is wrong with it is said where it is read.
func corpusKindOf(path string) corpusKind {
	info, err := os.Stat(path)
	if err != nil {
		return noCorpus
	}
	extension := filepath.Ext(path)
	switch {
	case info.IsDir():
		if _, err := os.Stat(filepath.Join(path, shard.IndexName)); err == nil {
			return madeShards
		}
		if files, _, err := corpus.Find([]string{path}); err == nil && len(files) > 0 {
			return textFiles
		}
	case extension == shard.LLMCExtension:
		return llmcShards
	case slices.Contains([]string{".jsonl", ".parquet", ".gz", ".zst"}, extension) || extension == ".txt" && info.Size() > largeText:
		return textFiles
	}
	return noCorpus
}

// newCorpus returns the material, or an error for flags that it has no use for.
func newCorpus(a *arguments) (*corpusMaterial, error) {
	switch {
	case a.evalData != "" && a.corpus != llmcShards:
		return nil, fault.Usagef("-eval-data %s: expected none, as the shards of %s have a part of their own that is held out", a.evalData, a.data)
	case a.heldOutGiven && a.corpus == madeShards:
		return nil, fault.Usagef("-held-out: what is held out of %s was decided when its shards were made", a.data)
	}
	return &corpusMaterial{arguments: a, path: a.data}, nil
}

func (m *corpusMaterial) title() string { return "Training on " + m.path }

func (m *corpusMaterial) about() []string {
	lines := []string{fmt.Sprintf("%s: %s of text in %s", m.path, format.Bytes(m.trained.Bytes()), count(m.trained.Shards(), "shard"))}
	if m.arguments.corpus == textFiles {
		lines[0] += ", kept in " + m.shardFolder()
	}
	heldOut := "nothing held out"
	if m.heldOut != nil {
		heldOut = format.Thousands(m.heldOut.Len()) + " held out"
	}
	return append(lines, fmt.Sprintf("%s to train on and %s", count(m.trained.Len(), "token"), heldOut))
}

// shardFolder is where shards are made, beside the run folder: the next run on the same data finds them.
func (m *corpusMaterial) shardFolder() string {
	name := m.path
	if absolute, err := filepath.Abs(name); err == nil {
		name = absolute // "." has no name
	}
	name, _, _ = strings.Cut(filepath.Base(name), ".")
	return filepath.Join("runs", name+".tokens")
}

// vocabulary is the tokenizer of the shards, or the one to make them with.
func (m *corpusMaterial) vocabulary() (tokenizer.Tokenizer, error) {
	a := m.arguments
	switch {
	case a.tokenizer == autoTokenizer && m.arguments.corpus == madeShards:
		t, err := tokenizer.Load(m.path)
		if err != nil {
			return nil, err
		}
		return t, nil
	case a.tokenizer == autoTokenizer && m.arguments.corpus == llmcShards:
		return nil, fault.Usagef("-data %s: the files of llm.c do not say by which tokenizer they were made: name it by -tokenizer", m.path)
	case a.tokenizer == charTokenizer:
		return nil, fault.Usagef("-tokenizer %s: expected bytes, bpe:4096 or a path for a text that does not lie in memory", a.tokenizer)
	case a.tokenizer == autoTokenizer:
		return learnBPE(defaultBPE, m.sampleTexts)
	}
	return makeTokenizer(a.tokenizer, m.sampleTexts)
}

// sampleTexts calls use with the beginning of the corpus, as much as a vocabulary is learned from.
func (m *corpusMaterial) sampleTexts(use func(text string) error) error {
	const enough = 64 << 20
	files, _, err := corpus.Find([]string{m.path})
	if err != nil {
		return err
	}
	bytes := tokenizer.NewBytes()
	r := corpus.NewReader(files, corpus.Options{Field: textField, Cut: bytes.Cut}, corpus.Position{})
	defer r.Close()
	for size := 0; size < enough; {
		block, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = block.Pieces(func(p corpus.Piece) error {
			size += len(p.Text)
			return use(p.Text)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// textField is the key of JSON lines and the column of Parquet that has the text.
const textField = "text"

func (m *corpusMaterial) encode(t tokenizer.Tokenizer, context int) (*lessons, error) {
	m.names = t
	if err := m.open(t); err != nil {
		return nil, err
	}
	var heldOut train.Tokens = train.InMemory(nil, 0)
	if m.heldOut != nil {
		heldOut = m.heldOut
	}
	var err error
	m.encoded, err = textLessons(m.path, m.trained, heldOut, context, m.arguments.evaluateTokens)
	return m.encoded, err
}

// open opens the shards, and makes them before where they are not there.
func (m *corpusMaterial) open(t tokenizer.Tokenizer) (err error) {
	o := shard.Options{Tokenizer: t, Unmarked: true}
	if m.arguments.corpus == llmcShards {
		if m.trained, err = shard.Open([]string{m.path}, o); err == nil && m.arguments.evalData != "" {
			m.heldOut, err = shard.Open([]string{m.arguments.evalData}, o)
		}
		return err
	}
	folder := m.path
	if m.arguments.corpus == textFiles {
		folder = m.shardFolder()
		if err := m.makeShards(folder, t); err != nil {
			return err
		}
	}
	m.trained, m.heldOut, err = shard.OpenFolder(folder, o)
	return err
}

// makeShards turns the text into shards, or goes on where that was cut off. It does nothing where they are complete.
func (m *corpusMaterial) makeShards(folder string, t tokenizer.Tokenizer) error {
	const shardSize, saveEvery = 100_000_000, 10 * time.Second
	files, _, err := corpus.Find([]string{m.path})
	if err != nil {
		return err
	}
	heldOut := m.arguments.heldOut
	if !m.arguments.heldOutGiven {
		heldOut = min(heldOut, 0.01) // of a corpus that is enough
	}
	_, err = sharding.Run(folder, sharding.Options{
		Tokenizer: t, Files: files, Field: textField, ShardSize: shardSize, HeldOut: heldOut, EOS: t.EOS() != tokenizer.NoToken,
		Workers: runtime.GOMAXPROCS(0), SaveEvery: saveEvery,
	})
	if fault.ExitCode(err) == fault.ExitUsage {
		return fmt.Errorf("%w; remove %s to make its shards anew", err, folder)
	}
	return err
}

// questions are the beginnings of what is held out, which the model is to continue.
func (m *corpusMaterial) questions() []question {
	const asked, length = 2, 12
	set, heldOut := m.heldOut, true
	if set == nil || set.Len() < asked*length {
		set, heldOut = m.trained, false
	}
	var questions []question
	for i := range asked {
		ids := make([]int32, min(length, set.Len()))
		set.Read(ids, i*(set.Len()-len(ids))/asked)
		if text := strings.TrimSpace(m.names.Decode(ids)); text != "" {
			questions = append(questions, question{text: text, heldOut: heldOut})
		}
	}
	return questions
}

func (m *corpusMaterial) sampling() model.Sampling { return textSampling() }

// Close gives the shards back.
func (m *corpusMaterial) Close() error {
	var err error
	for _, s := range []*shard.Set{m.trained, m.heldOut} {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
}
