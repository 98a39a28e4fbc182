package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"trainer/internal/cli"
	"trainer/internal/fault"
	"trainer/tokenizer"
)

// encodeCommand turns text into ids.
func encodeCommand(in io.Reader, out io.Writer) cli.Command {
	var path string
	var asJSON bool
	flags := cli.New("tokenize encode", "Reads text from standard input and writes the ids of its tokens.",
		"echo two plus three | go run ./cmd/tokenize encode -tokenizer runs/calculator",
		"go run ./cmd/tokenize encode -tokenizer runs/prose -json < novel.txt > novel.json",
	)
	addSource(flags, &path)
	flags.Group("Output").Bool(&asJSON, "json", "write a JSON array on one line, rather than ids with spaces between")
	return cli.Command{Flags: flags, Run: func() error {
		t, data, err := prepare(flags, path, in)
		if err != nil {
			return err
		}
		ids, err := t.Encode(string(data))
		if err != nil {
			return fault.Dataf("standard input: %w", err)
		}
		return writeIDs(out, ids, asJSON)
	}}
}

// prepare loads the tokenizer of encode or decode and reads standard input.
func prepare(flags *cli.Flags, path string, in io.Reader) (tokenizer.Tokenizer, []byte, error) {
	if flags.NArg() > 0 {
		return nil, nil, fault.Usagef("unexpected argument %q: %s reads standard input, expected flags only, and the file as in %s -tokenizer %s < %s",
			flags.Arg(0), flags.Name(), flags.Name(), cmp.Or(path, "runs/calculator"), flags.Arg(0))
	}
	t, err := load(path)
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, nil, fault.Dataf("cannot read standard input: %w", err)
	}
	return t, data, nil
}

// writeIDs writes ids on one line.
func writeIDs(out io.Writer, ids []int32, asJSON bool) error {
	begin, between, end := "", " ", "\n"
	if asJSON {
		begin, between, end = "[", ",", "]\n"
	}
	w := bufio.NewWriter(out)
	w.WriteString(begin)
	for i, id := range ids {
		if i > 0 {
			w.WriteString(between)
		}
		w.Write(strconv.AppendInt(w.AvailableBuffer(), int64(id), 10))
	}
	w.WriteString(end)
	return w.Flush() // it returns the first error of all writes
}

// decodeCommand turns ids into text.
func decodeCommand(in io.Reader, out io.Writer) cli.Command {
	var path string
	var asJSON bool
	flags := cli.New("tokenize decode", "Reads ids from standard input and writes their text.",
		"echo 9 2 10 | go run ./cmd/tokenize decode -tokenizer runs/calculator",
		"go run ./cmd/tokenize decode -tokenizer runs/prose -json < novel.json > novel.txt",
	)
	addSource(flags, &path)
	flags.Group("Input").Bool(&asJSON, "json", "read JSON arrays, one after the other, rather than ids with spaces between")
	return cli.Command{Flags: flags, Run: func() error {
		t, data, err := prepare(flags, path, in)
		if err != nil {
			return err
		}
		read := readFields
		if asJSON {
			read = readArrays
		}
		ids, err := read(data)
		if err != nil {
			return fault.Dataf("standard input: %w", err)
		}
		for i, id := range ids {
			if id < 0 || int(id) >= t.VocabSize() {
				return fault.Dataf("standard input: number %d is %d, expected an id of the tokenizer, 0 to %d", i+1, id, t.VocabSize()-1)
			}
		}
		return writeText(out, t, ids)
	}}
}

// readFields reads numbers with white space between.
func readFields(data []byte) ([]int32, error) {
	var ids []int32
	for field := range bytes.FieldsSeq(data) {
		id, err := strconv.ParseInt(string(field), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q, number %d, is no id: expected whole numbers with spaces between; JSON arrays need -json", field, len(ids)+1)
		}
		ids = append(ids, int32(id))
	}
	return ids, nil
}

// readArrays reads JSON arrays.
func readArrays(data []byte) ([]int32, error) {
	var ids []int32
	decoder := json.NewDecoder(bytes.NewReader(data))
	for n := 1; ; n++ {
		var array []int32
		err := decoder.Decode(&array)
		if errors.Is(err, io.EOF) {
			return ids, nil
		}
		if err != nil {
			return nil, fmt.Errorf("array %d is no JSON array of ids: %w", n, err)
		}
		ids = append(ids, array...)
	}
}

// writeText writes the text of ids. That of a byte-level tokenizer is the very text that was encoded, special tokens
// included; a tokenizer of words does not know how they were separated.
func writeText(out io.Writer, t tokenizer.Tokenizer, ids []int32) error {
	w := bufio.NewWriter(out)
	if _, ok := t.(*tokenizer.BPE); ok {
		for _, id := range ids {
			w.WriteString(t.Token(id))
		}
	} else {
		fmt.Fprintln(w, t.Decode(ids))
	}
	return w.Flush()
}
