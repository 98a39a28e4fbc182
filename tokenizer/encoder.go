package tokenizer

import "strings"

const (
	// maxCached is how many words an encoder remembers, about 4 MB with their ids: 1 MB of English verse has 15,000
	// different ones.
	maxCached = 1 << 15
	// maxCachedLength bounds a remembered word, in bytes: longer ones rarely come again.
	maxCachedLength = 64
)

// encoder encodes words, one at a time. It remembers the words that it has met, which are few: text repeats itself.
type encoder struct {
	b       *BPE
	cache   map[string]span
	known   []int32 // the ids of cached words
	symbols []symbol
	queue   queue[candidate]
}

// span is a range of encoder.known.
type span struct{ start, end int32 }

// symbol is a token of a word under way: bytes at first, then what they are merged into, in a linked list.
type symbol struct {
	id         int32
	prev, next int32 // indices of the neighbours, or none
	merged     int32 // what it and next merge into, or NoToken
}

const none = -1

// candidate is a pair that could be merged: that of the symbol at an index, as it was when the candidate was queued.
type candidate struct {
	rank, at int32
	id       int32 // of the merged token
}

func (c candidate) Before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}

func newEncoder(b *BPE) *encoder { return &encoder{b: b, cache: make(map[string]span)} }

// appendSegment appends the ids of a segment.
func (e *encoder) appendSegment(ids []int32, s segment) []int32 {
	if s.id != NoToken {
		return append(ids, s.id)
	}
	for text := s.text; text != ""; {
		n := wordLength(text)
		ids = e.appendWord(ids, text[:n])
		text = text[n:]
	}
	return ids
}

// appendWord appends the ids of a word.
func (e *encoder) appendWord(ids []int32, word string) []int32 {
	if len(word) == 1 {
		return append(ids, e.b.byteIDs[word[0]])
	}
	if found, ok := e.cache[word]; ok {
		return append(ids, e.known[found.start:found.end]...)
	}
	start := len(ids)
	ids = e.appendMerged(ids, word)
	if len(word) <= maxCachedLength {
		if len(e.cache) == maxCached {
			clear(e.cache)
			e.known = e.known[:0]
		}
		at := int32(len(e.known))
		e.known = append(e.known, ids[start:]...)
		e.cache[strings.Clone(word)] = span{at, int32(len(e.known))}
	}
	return ids
}

// appendMerged appends the ids of a word of two bytes or more that is not in the cache: of all neighbours that can be
// merged, those of the lowest rank are, of several the leftmost, until none can. It takes O(n log n) for n bytes.
func (e *encoder) appendMerged(ids []int32, word string) []int32 {
	if e.b.wholeWords {
		if id, ok := e.b.ids[word]; ok {
			return append(ids, id)
		}
	}
	e.symbols, e.queue = e.symbols[:0], e.queue[:0]
	for i := range len(word) {
		e.symbols = append(e.symbols, symbol{id: e.b.byteIDs[word[i]], prev: int32(i) - 1, next: int32(i) + 1})
	}
	e.symbols[len(word)-1].next = none
	for i := range e.symbols {
		e.consider(int32(i))
	}
	for len(e.queue) > 0 {
		c := e.queue.pop()
		s := &e.symbols[c.at]
		// Since c was queued its symbols may have been merged with others.
		if s.merged != c.id {
			continue
		}
		next := &e.symbols[s.next]
		s.id, s.next = c.id, next.next
		next.merged = NoToken
		if s.next != none {
			e.symbols[s.next].prev = c.at
		}
		e.consider(c.at)
		if s.prev != none {
			e.consider(s.prev)
		}
	}
	for i := int32(0); i != none; i = e.symbols[i].next {
		ids = append(ids, e.symbols[i].id)
	}
	return ids
}

// consider finds out whether the symbol at an index merges with the next one, and queues the pair if it does.
func (e *encoder) consider(at int32) {
	s := &e.symbols[at]
	s.merged = NoToken
	if s.next == none {
		return
	}
	if rank, ok := e.b.ranks[pair{s.id, e.symbols[s.next].id}]; ok {
		s.merged = e.b.merges[rank].id
		e.queue.push(candidate{rank, at, s.merged})
	}
}
