package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"trainer/internal/cli"
	"trainer/internal/fault"
	"trainer/tokenizer"
)

// trainCommand learns a vocabulary of byte-level BPE from files.
func trainCommand(out io.Writer) cli.Command {
	vocabSize, minCount := 4096, 2
	flags := cli.New("tokenize train", "Learns a vocabulary of byte-level BPE, as in GPT-2, from text files.",
		"go run ./cmd/tokenize train -out runs/prose novel.txt letters.txt",
		"go run ./cmd/tokenize train -vocab 1000 -out runs/small novel.txt",
	)
	g := flags.Group("Vocabulary")
	g.Int(&vocabSize, "vocab", "`tokens` to have in the end: 2 special ones, 256 bytes, and the pairs that are merged")
	g.Int(&minCount, "min-count", "merge only pairs that occur so many `times`")
	target := addTarget(flags)
	return cli.Command{Flags: flags, Run: func() error {
		switch {
		case vocabSize < tokenizer.MinVocabSize:
			return fault.Usagef("-vocab is %d, expected at least %d: the special tokens and the bytes", vocabSize, tokenizer.MinVocabSize)
		case minCount < 1:
			return fault.Usagef("-min-count is %d, expected at least 1", minCount)
		case flags.NArg() == 0:
			return fault.Usagef("no text to learn from: name one file or more after the flags")
		}
		if err := target.check(); err != nil {
			return err
		}
		begin := time.Now()
		var trainer tokenizer.BPETrainer
		size := int64(0)
		for _, path := range flags.Args() {
			n, err := addFile(&trainer, path)
			if err != nil {
				return err
			}
			size += n
		}
		t := trainer.Train(vocabSize, minCount)
		if err := target.write(t); err != nil {
			return err
		}
		fmt.Fprintf(out, "learned %d merges from %d bytes in %.2f s\n", t.VocabSize()-tokenizer.MinVocabSize, size, time.Since(begin).Seconds())
		if t.VocabSize() < vocabSize {
			fmt.Fprintf(out, "the vocabulary has %d tokens, not %d: no other pair occurs %d times; more text or a lower -min-count gives more\n",
				t.VocabSize(), vocabSize, minCount)
		}
		return target.report(out, t)
	}}
}

// addFile counts the words of a file and returns its size in bytes.
func addFile(trainer *tokenizer.BPETrainer, path string) (int64, error) {
	if strings.HasPrefix(path, "-") {
		return 0, fault.Usagef("%s follows a file: flags come before the files", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return 0, fault.Dataf("cannot read the text: %w", err)
	}
	defer file.Close()
	counted := &counter{r: file}
	if err := trainer.Add(counted); err != nil {
		return 0, err
	}
	return counted.n, nil
}

// counter counts the bytes that are read from a reader.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bytesCommand writes the tokenizer of bytes.
func bytesCommand(out io.Writer) cli.Command {
	flags := cli.New("tokenize bytes", "Writes the tokenizer whose tokens are the 256 bytes and the special tokens.",
		"go run ./cmd/tokenize bytes -out runs/bytes",
	)
	target := addTarget(flags)
	return cli.Command{Flags: flags, Run: func() error {
		if err := noArguments(flags); err != nil {
			return err
		}
		if err := target.check(); err != nil {
			return err
		}
		t := tokenizer.NewBytes()
		if err := target.write(t); err != nil {
			return err
		}
		return target.report(out, t)
	}}
}

// noArguments returns an error if there are arguments beside the flags of a command that takes none.
func noArguments(flags *cli.Flags) error {
	if flags.NArg() > 0 {
		return fault.Usagef("unexpected argument %q: %s takes flags only; -h explains them", flags.Arg(0), flags.Name())
	}
	return nil
}
