package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"trainer/internal/atomicfile"
	"trainer/internal/cli"
	"trainer/internal/fault"
	"trainer/tokenizer"
)

// target is the folder that a tokenizer is written to.
type target struct {
	folder    string
	overwrite bool
	gpt2      bool // write GPT-2's files, rather than those of Hugging Face
}

// addTarget adds the flags of a target.
func addTarget(flags *cli.Flags) *target {
	t := &target{}
	g := flags.Group("Output")
	g.String(&t.folder, "out", "`folder` for the tokenizer's files")
	g.Bool(&t.overwrite, "overwrite", "replace a tokenizer that is there")
	return t
}

// names returns the files of the target, the one with the vocabulary first.
func (t *target) names() []string {
	if t.gpt2 {
		return []string{tokenizer.VocabName, tokenizer.MergesName}
	}
	return []string{tokenizer.FileName, tokenizer.ConfigFileName}
}

// check returns an error if there is no folder to write to, or a tokenizer would be lost.
func (t *target) check() error {
	if t.folder == "" {
		return fault.Usagef("-out is missing: it names the folder for the tokenizer's files")
	}
	for _, name := range t.names() {
		path := filepath.Join(t.folder, name)
		if _, err := os.Stat(path); err == nil && !t.overwrite {
			return fault.Usagef("%s is there already, and a model may depend on it: choose another -out, or -overwrite it", path)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("-out: %w", err)
		}
	}
	return nil
}

// write writes the files, all or none.
func (t *target) write(b *tokenizer.BPE) error {
	contents := [][]byte{b.JSON(), tokenizer.ConfigJSON(b, 0)}
	if t.gpt2 {
		vocab, merges := b.GPT2Files()
		contents = [][]byte{vocab, merges}
	}
	if err := os.MkdirAll(t.folder, 0o777); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	group, err := atomicfile.Begin(t.folder)
	if err != nil {
		return err
	}
	defer group.Abort()
	for i, name := range t.names() {
		err := group.Write(name, func(w io.Writer) error {
			_, err := w.Write(contents[i])
			return err
		})
		if err != nil {
			return err
		}
	}
	return group.Commit()
}

// report says what was written.
func (t *target) report(out io.Writer, b *tokenizer.BPE) error {
	_, err := fmt.Fprintf(out, "%d tokens in %s\n", b.VocabSize(), filepath.Join(t.folder, t.names()[0]))
	return err
}

// convertCommand writes a tokenizer in another layout.
func convertCommand(out io.Writer) cli.Command {
	format := "huggingface"
	var path string
	flags := cli.New("tokenize convert", "Writes a byte-level tokenizer in another layout.",
		"go run ./cmd/tokenize convert -tokenizer gpt2/vocab.json -out runs/gpt2",
		"go run ./cmd/tokenize convert -tokenizer runs/prose -format gpt2 -out prose",
	)
	addSource(flags, &path)
	target := addTarget(flags)
	flags.Group("Layout").String(&format, "format", "huggingface: tokenizer.json; gpt2: vocab.json and merges.txt")
	return cli.Command{Flags: flags, Run: func() error {
		if format != "huggingface" && format != "gpt2" {
			return fault.Usagef("-format is %q, expected huggingface or gpt2", format)
		}
		target.gpt2 = format == "gpt2"
		if err := noArguments(flags); err != nil {
			return err
		}
		if err := target.check(); err != nil {
			return err
		}
		t, err := load(path)
		if err != nil {
			return err
		}
		b, ok := t.(*tokenizer.BPE)
		if !ok {
			return fault.Dataf("%s is a tokenizer of words, expected one of bytes: only those have another layout", path)
		}
		if err := target.write(b); err != nil {
			return err
		}
		return target.report(out, b)
	}}
}

// addSource adds the flag that names a tokenizer.
func addSource(flags *cli.Flags, path *string) {
	flags.Group("Tokenizer").String(path, "tokenizer",
		"`path` of a folder with a tokenizer, of a tokenizer.json, or of a vocab.json beside its merges.txt")
}

// load returns the tokenizer at the path of -tokenizer.
func load(path string) (tokenizer.Tokenizer, error) {
	if path == "" {
		return nil, fault.Usagef("-tokenizer is missing: it names the folder or file of a tokenizer")
	}
	return tokenizer.Load(path)
}
