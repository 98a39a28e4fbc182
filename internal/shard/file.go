package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"trainer/internal/fault"
	"trainer/tokenizer"
)

// file is an open shard, or file of llm.c.
type file struct {
	header
	path     string
	start    int64 // where the tokens begin
	unmarked bool  // of llm.c
	content  content
}

// openFile opens a shard. Errors name the file.
func openFile(path string) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Dataf("cannot read the tokens: %w", err)
	}
	s := &file{path: path}
	size, err := s.readHeader(f)
	if err == nil {
		if s.content, err = newContent(f, size); err == nil {
			return s, nil
		}
	}
	f.Close()
	return nil, fault.Dataf("%s %w", path, err)
}

// readHeader reads the header of either kind and returns the size of the file.
func (s *file) readHeader(f *os.File) (int64, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, fmt.Errorf("cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return 0, errors.New("is not a file of tokens")
	}
	size := info.Size()
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return 0, fmt.Errorf("cannot be read: %w", err)
	case isLLMC(b[:n]):
		s.unmarked, s.start = true, llmcHeaderSize
		var h *header
		if h, err = decodeLLMC(b, size); err == nil {
			s.header = *h
		}
		return size, err
	case n < headerSize:
		return 0, fmt.Errorf("is cut short: it has %d bytes, and the header of a shard alone takes %d", size, headerSize)
	}
	h, err := decodeHeader(b, size)
	if err == nil {
		s.header, s.start = *h, headerSize
	}
	return size, err
}

// read fills dst with the tokens from a place in the file on.
func (s *file) read(dst []int32, at int64) {
	raw := s.content.at(s.start+at*int64(s.width), len(dst)*s.width)
	if s.width == 2 {
		for i := range dst {
			dst[i] = int32(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		return
	}
	for i := range dst {
		dst[i] = int32(binary.LittleEndian.Uint32(raw[4*i:]))
	}
}

// blockTokens is how many tokens are looked at in one go where all are.
const blockTokens = 1 << 18

// checksum returns the SHA-256 of the tokens. look, where it is not nil, sees them all, block by block, and may end the
// reading by an error.
func (s *file) checksum(look func(ids []int32, at int64) error) ([sha256.Size]byte, error) {
	hash := sha256.New()
	var ids []int32
	if look != nil {
		ids = make([]int32, blockTokens)
	}
	for at := int64(0); at < s.tokens; at += blockTokens {
		n := int(min(blockTokens, s.tokens-at))
		hash.Write(s.content.at(s.start+at*int64(s.width), n*s.width))
		if look != nil {
			s.read(ids[:n], at)
			if err := look(ids[:n], at); err != nil {
				return [sha256.Size]byte{}, err
			}
		}
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// adopt finds out about an unmarked file what the header of a shard says, provided that the tokenizer t made it. lengths
// are the bytes of text for which the ids of t stand.
func (s *file) adopt(t tokenizer.Tokenizer, lengths []int64) error {
	sum, err := s.checksum(func(ids []int32, at int64) error {
		for i, id := range ids {
			if uint32(id) >= uint32(len(lengths)) {
				return fault.Dataf("%s: token %d is %d, expected an id of the tokenizer, 0 to %d: it was made with another one",
					s.path, at+int64(i)+1, uint32(id), len(lengths)-1)
			}
			s.bytes += lengths[id]
			if id == t.EOS() {
				s.documents++
			}
		}
		return nil
	})
	s.sum = sum
	return err
}

// verify returns an error if the tokens are not those that were written.
func (s *file) verify() error {
	sum, err := s.checksum(nil)
	if err == nil && sum != s.sum {
		err = fault.Dataf("%s is damaged: the checksum of its tokens is not the one in its header; copy it or make it again", s.path)
	}
	return err
}
