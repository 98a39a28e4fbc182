package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A file of tokens of llm.c (dev/data/data_common.py there) begins with 256 numbers of 4 bytes: the magic, the version and
// how many tokens follow; the rest is 0. It does not say which tokenizer made it, nor what its checksum is.
const llmcHeaderSize = 256 * 4

// llmcFormats are the two kinds: of GPT-2 with 2 bytes a token, of Llama 3 with 4.
var llmcFormats = map[uint32]struct{ version, width int }{
	20240520: {1, 2},
	20240801: {7, 4},
}

// llmcEvaluation is the magic of llm.c's files of questions with several answers.
const llmcEvaluation = 20240522

// isLLMC returns whether a file that begins with b could be one of llm.c.
func isLLMC(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	m := binary.LittleEndian.Uint32(b)
	_, ok := llmcFormats[m]
	return ok || m == llmcEvaluation
}

// decodeLLMC reads the beginning of a file of llm.c of that many bytes, for which isLLMC holds.
func decodeLLMC(b []byte, fileSize int64) (*header, error) {
	m := binary.LittleEndian.Uint32(b)
	if m == llmcEvaluation {
		return nil, errors.New("has questions of llm.c for an evaluation, expected tokens")
	}
	format := llmcFormats[m]
	if fileSize < llmcHeaderSize {
		return nil, fmt.Errorf("is cut short: it has %d bytes, and the header of llm.c alone takes %d", fileSize, llmcHeaderSize)
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != uint32(format.version) {
		return nil, fmt.Errorf("has version %d of llm.c's format %d, expected %d", v, m, format.version)
	}
	h := &header{width: format.width, tokens: int64(int32(binary.LittleEndian.Uint32(b[8:])))}
	return h, checkSize(llmcHeaderSize, h.tokens, h.width, fileSize)
}
