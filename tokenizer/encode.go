package tokenizer

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// chunkSize is about how many bytes of a text one worker encodes at a time.
	chunkSize = 64 << 10
	// parallelSize is from where on a text is worth more than one worker.
	parallelSize = 4 * chunkSize
)

// Encode returns the ids of a text; a long one is encoded on all cores. The error names a byte that the vocabulary has no
// token for, which only a vocabulary that was trained elsewhere can lack.
func (b *BPE) Encode(text string) ([]int32, error) {
	if err := b.checkBytes(text); err != nil {
		return nil, err
	}
	if len(text) >= parallelSize && runtime.GOMAXPROCS(0) > 1 {
		return b.encodeChunks(text), nil
	}
	e := b.encoders.Get().(*encoder)
	defer b.encoders.Put(e)
	var ids []int32
	for s := range b.segments(text) {
		ids = e.appendSegment(ids, s)
	}
	return ids, nil
}

// checkBytes returns an error if text has a byte, outside added tokens, that is not in the vocabulary.
func (b *BPE) checkBytes(text string) error {
	if b.hasAllBytes() {
		return nil
	}
	offset := 0
	for s := range b.segments(text) {
		for i := 0; s.id == NoToken && i < len(s.text); i++ {
			if char := s.text[i]; b.byteIDs[char] == NoToken {
				return fmt.Errorf("the vocabulary has no token for the byte %#02x (%q), the text's byte %d", char, char, offset+i+1)
			}
		}
		offset += len(s.text)
	}
	return nil
}

func (b *BPE) hasAllBytes() bool {
	for _, id := range b.byteIDs {
		if id == NoToken {
			return false
		}
	}
	return true
}

// encodeChunks encodes a text in chunks side by side. The ids are those of the whole, because a chunk ends only at an
// added token or where words break in any case.
func (b *BPE) encodeChunks(text string) []int32 {
	chunks := b.chunks(text)
	results := make([][]int32, len(chunks))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(chunks)) {
		workers.Go(func() {
			e := b.encoders.Get().(*encoder)
			defer b.encoders.Put(e)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(chunks) {
					return
				}
				for _, s := range chunks[i] {
					results[i] = e.appendSegment(results[i], s)
				}
			}
		})
	}
	workers.Wait()
	size := 0
	for _, ids := range results {
		size += len(ids)
	}
	all := make([]int32, 0, size)
	for _, ids := range results {
		all = append(all, ids...)
	}
	return all
}

// chunks returns the segments of a text, long ones cut, in groups of about chunkSize bytes.
func (b *BPE) chunks(text string) [][]segment {
	var groups [][]segment
	var group []segment
	size := 0
	add := func(s segment) {
		group, size = append(group, s), size+len(s.text)
		if size >= chunkSize {
			groups, group, size = append(groups, group), nil, 0
		}
	}
	for s := range b.segments(text) {
		for s.id == NoToken && len(s.text) > chunkSize {
			cut := cutNear(s.text, chunkSize)
			add(segment{s.text[:cut], NoToken})
			s.text = s.text[cut:]
		}
		add(s)
	}
	if group != nil {
		groups = append(groups, group)
	}
	return groups
}

// cutNear returns the last safe cut up to size, or the last up to twice, four times ... size, or the length of text.
func cutNear(text string, size int) int {
	for ; size < len(text); size *= 2 {
		if cut := safeCut(text[:size]); cut > 0 {
			return cut
		}
	}
	return len(text)
}
