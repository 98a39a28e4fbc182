// Command tokenize makes tokenizers, and turns text into token ids and back, or into files of them to train on.
//
//	text files -> train -> tokenizer.json        text -> encode -> ids -> decode -> the same text
//	text files -> shards -> folders of shards
//
// learn.go holds train and bytes, which make a tokenizer; text.go encode and decode; folder.go convert and the writing of a
// tokenizer's files; shards.go and progress.go shards. What they do is in the packages tokenizer and internal/sharding.
package main

import (
	"bufio"
	"os"

	"trainer/internal/cli"
)

func main() {
	in, out := bufio.NewReader(os.Stdin), os.Stdout
	cli.MainOf("tokenize", "Makes tokenizers, and turns text into token ids and back, or into shards to train on.",
		trainCommand(out), bytesCommand(out), encodeCommand(in, out), decodeCommand(in, out), convertCommand(out), shardsCommand(out))
}
