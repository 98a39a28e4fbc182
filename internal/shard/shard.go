// Package shard keeps tokens on the disk: a Writer turns ids into files of equal size, shards, and a Set reads many of them
// as one stream, mapped into memory, so that a corpus may be far larger than memory.
//
//	ids, document by document -> Writer -> 000000.tokens, 000001.tokens, ... -> Set -> ids, from any place
//
// A shard says how many tokens it has, which tokenizer made them and what their checksum is (header.go); one that is cut
// short, damaged or of another tokenizer is refused by name. The files of tokens of llm.c are read too (llmc.go).
//
// Start at Open, or at OpenFolder for what tokenize shards wrote.
package shard

import (
	"crypto/sha256"
	"fmt"

	"trainer/tokenizer"
)

// Extension is that of the files that a Writer makes, and LLMCExtension that of llm.c's.
const (
	Extension     = ".tokens"
	LLMCExtension = ".bin"
)

// TokenizerFingerprint is the SHA-256 of a tokenizer's canonical tokenizer.json: the same for every file that says the same.
func TokenizerFingerprint(t tokenizer.Tokenizer) [sha256.Size]byte { return sha256.Sum256(t.JSON()) }

// fileName is the name of the shard with a number, counted from 0. Names sort as the numbers do.
func fileName(number int) string { return fmt.Sprintf("%06d", number) + Extension }

// widthFor returns how many bytes an id of a vocabulary takes.
func widthFor(vocabSize int) int {
	if vocabSize <= 1<<16 {
		return 2
	}
	return 4
}
