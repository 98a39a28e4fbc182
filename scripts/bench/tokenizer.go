package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"trainer/internal/fault"
	"trainer/internal/vm"
	"trainer/tokenizer"
)

//go:embed tokenizer_peer.py
var tokenizerPeerScript []byte

// learnedVocabulary is the size of the vocabulary that both sides learn.
const learnedVocabulary = 4096

// What the project sets itself.
const (
	encodeTarget = 25e6 // bytes a second, of a text that is new
	learnTarget  = 0.4  // seconds
)

// tokenizerReport is everything that was measured of tokenizers.
type tokenizerReport struct {
	Machine    string             `json:"machine"`
	Text       string             `json:"text"`
	Bytes      int                `json:"bytes"`
	Tokens     int                `json:"tokens"`
	Vocabulary int                `json:"vocabulary"`
	Rounds     int                `json:"rounds"`
	NoPeer     string             `json:"no_peer,omitempty"`  // why there is none
	Versions   map[string]string  `json:"versions,omitempty"` // of the peers
	Encode     map[string]float64 `json:"encode_bytes_per_second"`
	Learn      map[string]float64 `json:"learn_seconds"`
	Shards     []shardsTime       `json:"shards,omitempty"`
}

// The sides, as the report names them.
const (
	oursNew    = "ours"
	oursAgain  = "ours, words met before"
	tiktoken   = "tiktoken"
	tokenizers = "tokenizers"
)

// encoded is what a side says of the ids of a text.
type encoded struct {
	Seconds float64 `json:"seconds"`
	Tokens  int     `json:"tokens"`
	Digest  string  `json:"digest"`
}

// runTokenizer times learning and encoding on one thread, in turns with the peers, which have to give the same ids.
func runTokenizer(ctx context.Context, dir string, a *arguments) error {
	if a.text == "" {
		return fault.Usagef("-model %s: expected a text to encode by -text, some megabytes long", tokenizerModel)
	}
	text, err := os.ReadFile(a.text)
	if err != nil {
		return fault.Dataf("-text: %w", err)
	}
	if len(text) == 0 || !utf8.Valid(text) {
		return fault.Dataf("-text %s: expected text in UTF-8, which the peers take", a.text)
	}
	file := filepath.Join(dir, tokenizer.FileName)
	if err := writeVocabulary(file, string(text), a.vocabulary); err != nil {
		return err
	}
	r := &tokenizerReport{Machine: machine(1), Text: filepath.Base(a.text), Bytes: len(text), Rounds: a.rounds,
		Encode: make(map[string]float64), Learn: make(map[string]float64)}
	peer, err := startTokenizers(ctx, dir, file, a.text, &r.Versions)
	if err != nil {
		r.NoPeer = err.Error()
	} else {
		defer peer.close()
	}
	if err := r.duel(file, string(text), peer); err != nil {
		return err
	}
	if a.full {
		if r.Shards, err = timeShards(ctx, dir, text); err != nil {
			return err
		}
	}
	r.print(os.Stdout)
	return writeJSON(a.json, r)
}

// writeVocabulary writes the tokenizer that is timed: the one at a path, or one that is learned from the text.
func writeVocabulary(file, text, path string) error {
	var t tokenizer.Tokenizer
	if path == "" {
		t = learn(text)
	} else {
		var err error
		if t, err = tokenizer.Load(path); err != nil {
			return fmt.Errorf("-vocabulary: %w", err)
		}
	}
	return os.WriteFile(file, t.JSON(), 0o666)
}

func learn(text string) *tokenizer.BPE {
	const seenTwice = 2
	var learner tokenizer.BPETrainer
	learner.Add(strings.NewReader(text)) // a reader of a string has no error
	return learner.Train(learnedVocabulary, seenTwice)
}

// startTokenizers starts the peer with the Python that TRAINER_PYTHON names, or python3.
func startTokenizers(ctx context.Context, dir, vocabulary, text string, versions *map[string]string) (*process, error) {
	script := filepath.Join(dir, "tokenizer_peer.py")
	if err := os.WriteFile(script, tokenizerPeerScript, 0o666); err != nil {
		return nil, err
	}
	p, err := startProcess(exec.CommandContext(ctx, python(), script, vocabulary, text), versions)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", python(), err)
	}
	return p, nil
}

// duel times all sides in turns.
func (r *tokenizerReport) duel(file, text string, peer *process) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	encode, learned := make(map[string][]float64), make(map[string][]float64)
	for range r.Rounds {
		t, err := tokenizer.Parse(data, file) // which has met no word
		if err != nil {
			return err
		}
		r.Vocabulary = t.VocabSize()
		first, err := timeEncoding(t, text)
		if err != nil {
			return err
		}
		again, err := timeEncoding(t, text)
		if err != nil {
			return err
		}
		r.Tokens = first.Tokens
		encode[oursNew], encode[oursAgain] = append(encode[oursNew], first.Seconds), append(encode[oursAgain], again.Seconds)
		begin := time.Now()
		learn(text)
		learned[oursNew] = append(learned[oursNew], time.Since(begin).Seconds())
		for name, version := range r.Versions {
			if version == "" {
				continue
			}
			theirs := &encoded{}
			if err := peer.ask(map[string]any{"what": "encode", "with": name}, theirs); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if theirs.Digest != first.Digest {
				return fmt.Errorf("%s encodes %s to %d other tokens than our %d: the speeds of different work are not compared",
					name, r.Text, theirs.Tokens, first.Tokens)
			}
			encode[name] = append(encode[name], theirs.Seconds)
		}
		if r.Versions[tokenizers] != "" {
			theirs := &encoded{}
			if err := peer.ask(map[string]any{"what": "learn", "with": tokenizers, "vocabulary": learnedVocabulary}, theirs); err != nil {
				return fmt.Errorf("%s: %w", tokenizers, err)
			}
			learned[tokenizers] = append(learned[tokenizers], theirs.Seconds)
		}
	}
	for name, times := range encode {
		r.Encode[name] = float64(len(text)) / median(times)
	}
	for name, times := range learned {
		r.Learn[name] = median(times)
	}
	return nil
}

func timeEncoding(t tokenizer.Tokenizer, text string) (*encoded, error) {
	begin := time.Now()
	ids, err := t.Encode(text)
	if err != nil {
		return nil, err
	}
	e := &encoded{Seconds: time.Since(begin).Seconds(), Tokens: len(ids)}
	digest := sha256.Sum256(vm.Bytes(ids))
	e.Digest = hex.EncodeToString(digest[:])
	return e, nil
}

// shardsTime is what cmd/tokenize takes to turn a file into shards.
type shardsTime struct {
	Bytes   int     `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Memory  int64   `json:"memory_bytes"` // most that the process held
}

// timeShards turns copies of a text, one behind the other in a file, into shards: a tenth of a gigabyte, and a whole one.
func timeShards(ctx context.Context, dir string, text []byte) ([]shardsTime, error) {
	binary, err := build(ctx, dir, "tokenize")
	if err != nil {
		return nil, err
	}
	var list []shardsTime
	for i, size := range []int{100e6, 1000e6} {
		file := filepath.Join(dir, fmt.Sprintf("text-%d.txt", i))
		if err := writeCopies(file, text, size); err != nil {
			return nil, err
		}
		p := exec.CommandContext(ctx, binary, "shards", "-tokenizer", dir, "-out", filepath.Join(dir, fmt.Sprintf("shards-%d", i)), file)
		begin := time.Now()
		if out, err := p.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("cmd/tokenize shards: %w: %s", err, bytes.TrimSpace(out))
		}
		list = append(list, shardsTime{size, time.Since(begin).Seconds(), maxResident(p.ProcessState)})
		if err := os.Remove(file); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// writeCopies writes copies of a text up to a size in bytes.
func writeCopies(path string, text []byte, size int) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for written := 0; written < size; {
		n, err := file.Write(text[:min(len(text), size-written)])
		if err != nil {
			return err
		}
		written += n
	}
	return nil
}
