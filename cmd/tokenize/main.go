// Command tokenize makes tokenizers, and turns text into token ids and back.
//
//	text files -> train -> tokenizer.json        text -> encode -> ids -> decode -> the same text
//
// learn.go holds train and bytes, which make a tokenizer; text.go encode and decode; folder.go convert and the writing of a
// tokenizer's files. What they do is in package tokenizer.
package main

import (
	"bufio"
	"os"

	"trainer/internal/cli"
)

func main() {
	in, out := bufio.NewReader(os.Stdin), os.Stdout
	cli.MainOf("tokenize", "Makes tokenizers, and turns text into token ids and back.",
		trainCommand(out), bytesCommand(out), encodeCommand(in, out), decodeCommand(in, out), convertCommand(out))
}
