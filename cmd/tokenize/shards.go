package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"trainer/internal/cli"
	"trainer/internal/corpus"
	"trainer/internal/fault"
	"trainer/internal/format"
	"trainer/internal/shard"
	"trainer/internal/sharding"
	"trainer/tokenizer"
)

// saveEvery is how much time a kill of shards may cost.
const saveEvery = 10 * time.Second

// shardsCommand turns files of text into shards of tokens.
func shardsCommand(out io.Writer) cli.Command {
	o := sharding.Options{Field: "text", EOS: true, Workers: runtime.GOMAXPROCS(0), SaveEvery: saveEvery}
	size := count(100_000_000)
	var path, folder string
	flags := cli.New("tokenize shards", "Turns text files of any size into shards of tokens. Killed, it goes on when it is run again.",
		"go run ./cmd/tokenize shards -tokenizer runs/prose -out runs/books books/",
		"go run ./cmd/tokenize shards -tokenizer runs/prose -out runs/web -held-out 0.001 web-*.parquet more.jsonl.zst",
	)
	addSource(flags, &path)
	g := flags.Group("Text: files .txt and .jsonl, also with .gz or .zst behind it, .parquet, and folders of them")
	g.String(&o.Field, "field", "`key` of JSON lines or column of Parquet that has the text")
	g.Bool(&o.EOS, "eos", "put the tokenizer's end-of-sequence token behind each document")
	g.Float(&o.HeldOut, "held-out", "`share` of the documents that is kept apart to evaluate on, such as 0.01; a hash of a document's beginning decides")
	g = flags.Group("Output")
	g.String(&folder, "out", "`folder` for the shards, which go to train and held-out in it")
	g.Var(&size, "shard-size", "`tokens` in a shard, such as 100M")
	g.Bool(&o.Overwrite, "overwrite", "begin anew where there are other shards")
	flags.Group("Speed").Int(&o.Workers, "workers", "`threads` that encode; the shards do not depend on it")
	return cli.Command{Flags: flags, Run: func() error {
		o.ShardSize = int64(size)
		if err := checkShards(flags, folder, &o); err != nil {
			return err
		}
		t, err := load(path)
		if err != nil {
			return err
		}
		if o.EOS && t.EOS() == tokenizer.NoToken {
			return fault.Usagef("the tokenizer has no end-of-sequence token: -eos=false leaves the ends of documents unmarked")
		}
		files, leftOut, err := corpus.Find(flags.Args())
		if err != nil {
			return err
		}
		if len(leftOut) > 0 {
			fmt.Fprintf(out, "%s left out, such as %s: neither .txt, .jsonl nor .parquet\n", plural(len(leftOut), "file is", "files are"), leftOut[0])
		}
		o.Tokenizer, o.Files = t, files
		return makeShards(out, folder, &o)
	}}
}

// checkShards returns an error if flags are impossible.
func checkShards(flags *cli.Flags, folder string, o *sharding.Options) error {
	switch {
	case folder == "":
		return fault.Usagef("-out is missing: it names the folder for the shards")
	case o.HeldOut < 0 || !(o.HeldOut < 1):
		return fault.Usagef("-held-out is %v, expected a share of at least 0 and below 1", o.HeldOut)
	case o.Workers < 1:
		return fault.Usagef("-workers is %d, expected at least 1", o.Workers)
	case o.Field == "":
		return fault.Usagef("-field is empty, expected the name of a key or column")
	case flags.NArg() == 0:
		return fault.Usagef("no text to encode: name files or folders after the flags")
	}
	for _, argument := range flags.Args() {
		if strings.HasPrefix(argument, "-") {
			return fault.Usagef("%s follows a file: flags come before the files", argument)
		}
	}
	return nil
}

// makeShards makes the shards and reports on them.
func makeShards(out io.Writer, folder string, o *sharding.Options) error {
	p := newShardProgress(out)
	begin := time.Now()
	o.Observe = p.show
	r, err := sharding.Run(folder, *o)
	p.stop()
	if err != nil {
		return err
	}
	all := sum(r.Train, r.HeldOut)
	if r.Resumed == all {
		fmt.Fprintln(out, "the shards were complete already")
	} else {
		seconds := time.Since(begin).Seconds()
		fmt.Fprintf(out, "%s MB of text in %.1f s, %.1f MB/s\n", megabytes(all.Bytes-r.Resumed.Bytes), seconds,
			float64(all.Bytes-r.Resumed.Bytes)/1e6/seconds)
	}
	report := func(name string, t sharding.Totals, shards int) error {
		_, err := fmt.Fprintf(out, "%s tokens of %s, %.2f bytes each, in %s in %s\n", format.Thousands(int(t.Tokens)),
			plural(int(t.Documents), "document", "documents"), float64(t.Bytes)/float64(t.Tokens),
			plural(shards, "shard", "shards"), filepath.Join(folder, name))
		return err
	}
	err = report(shard.TrainFolder, r.Train, r.TrainShards)
	switch {
	case err != nil || o.HeldOut == 0:
		return err
	case r.HeldOut.Documents == 0:
		_, err = fmt.Fprintln(out, "no document was held out: there are too few for this -held-out")
		return err
	}
	return report(shard.HeldOutFolder, r.HeldOut, r.HeldOutShards)
}

func sum(a, b sharding.Totals) sharding.Totals {
	return sharding.Totals{Documents: a.Documents + b.Documents, Bytes: a.Bytes + b.Bytes, Tokens: a.Tokens + b.Tokens}
}

// plural writes a number with a word that fits it.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return format.Thousands(n) + " " + many
}

func megabytes(n int64) string {
	if n < 10e6 {
		return strconv.FormatFloat(float64(n)/1e6, 'f', 2, 64)
	}
	return format.Thousands(int(n / 1e6))
}

// count is a flag with a number of things: 1000, 250K, 100M or 2G.
type count int64

var errCount = errors.New("expected a whole number of at least 1, such as 1000, 250K, 100M or 2G")

func (c *count) String() string {
	for unit, letter := range map[count]string{1e9: "G", 1e6: "M", 1e3: "K"} {
		if *c >= unit && *c%unit == 0 && *c/unit < 1000 {
			return fmt.Sprint(int64(*c/unit), letter)
		}
	}
	return fmt.Sprint(int64(*c))
}

// Set reads a number with a letter behind it, or none.
func (c *count) Set(text string) error {
	unit := int64(1)
	for letter, value := range map[string]int64{"K": 1e3, "M": 1e6, "G": 1e9} {
		if number, ok := strings.CutSuffix(strings.ToUpper(text), letter); ok {
			text, unit = number, value
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > (1<<62)/unit {
		return fmt.Errorf("%q: %w", text, errCount)
	}
	*c = count(n * unit)
	return nil
}
