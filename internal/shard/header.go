package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// headerSize is where the tokens begin. All numbers are little-endian:
//
//	byte   0  magic, 8 bytes
//	       8  version, uint32
//	      12  bytes of a token, uint32: 2 or 4
//	      16  tokens, uint64
//	      24  bytes of the text that they stand for, uint64
//	      32  documents that end in this shard, uint64
//	      40  number of the shard, counted from 0, uint32
//	      44  0, uint32
//	      48  SHA-256 of the tokenizer's canonical tokenizer.json
//	      80  SHA-256 of the tokens as they stand in the file
//	     112  0 up to
//	     252  CRC-32C of bytes 0 to 251, uint32
//
// SHA-256 for the tokens, because processors have instructions for it (1.9 GB/s on a core of Zen 4, as CRC-64 without), and
// because the checksum then identifies the tokens too.
const headerSize = 256

const (
	magic   = "TOKSHARD"
	version = 1
	crcAt   = headerSize - 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what a shard says of itself.
type header struct {
	width     int // bytes of a token
	tokens    int64
	bytes     int64 // of the text; 0 is not known
	documents int64
	number    int
	tokenizer [sha256.Size]byte
	sum       [sha256.Size]byte // of the tokens
}

func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], version)
	binary.LittleEndian.PutUint32(b[12:], uint32(h.width))
	binary.LittleEndian.PutUint64(b[16:], uint64(h.tokens))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.bytes))
	binary.LittleEndian.PutUint64(b[32:], uint64(h.documents))
	binary.LittleEndian.PutUint32(b[40:], uint32(h.number))
	copy(b[48:], h.tokenizer[:])
	copy(b[80:], h.sum[:])
	binary.LittleEndian.PutUint32(b[crcAt:], crc32.Checksum(b[:crcAt], castagnoli))
	return b
}

// decodeHeader reads the header in b, headerSize bytes, of a file of that many bytes.
func decodeHeader(b []byte, fileSize int64) (*header, error) {
	if string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("begins with %q, expected %q: not a shard", b[:len(magic)], magic)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return nil, fmt.Errorf("has version %d of the format, expected %d: it was written by another version of this program", v, version)
	}
	if crc32.Checksum(b[:crcAt], castagnoli) != binary.LittleEndian.Uint32(b[crcAt:]) {
		return nil, errors.New("has a damaged header: its checksum does not agree")
	}
	h := &header{
		width:     int(binary.LittleEndian.Uint32(b[12:])),
		tokens:    int64(binary.LittleEndian.Uint64(b[16:])),
		bytes:     int64(binary.LittleEndian.Uint64(b[24:])),
		documents: int64(binary.LittleEndian.Uint64(b[32:])),
		number:    int(binary.LittleEndian.Uint32(b[40:])),
		tokenizer: [sha256.Size]byte(b[48:]),
		sum:       [sha256.Size]byte(b[80:]),
	}
	if h.width != 2 && h.width != 4 || h.bytes < 0 || h.documents < 0 || h.documents > h.tokens {
		return nil, fmt.Errorf("has an impossible header: %d bytes a token, %d tokens, %d bytes of text, %d documents",
			h.width, h.tokens, h.bytes, h.documents)
	}
	return h, checkSize(headerSize, h.tokens, h.width, fileSize)
}

// checkSize returns an error unless a file has just the tokens that its header promises.
func checkSize(head, tokens int64, width int, fileSize int64) error {
	switch room := (fileSize - head) / int64(width); {
	case tokens < 1:
		return fmt.Errorf("promises %d tokens, expected at least 1", tokens)
	case tokens > room:
		return fmt.Errorf("is cut short: it has %d bytes and promises %d tokens of %d bytes behind a header of %d", fileSize, tokens, width, head)
	case head+tokens*int64(width) != fileSize:
		return fmt.Errorf("has %d bytes, expected %d: something follows the %d tokens", fileSize, head+tokens*int64(width), tokens)
	}
	return nil
}
