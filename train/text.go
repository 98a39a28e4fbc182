package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"

	"trainer/tokenizer"
)

// Tokens is a stream of tokens, in memory or on the disk, that is read at any place. Reads may happen at the same time.
type Tokens interface {
	Len() int
	// Read fills dst with the tokens that begin at a place. All of them are inside of the stream.
	Read(dst []int32, at int)
	// Bytes is the size of the text that the tokens stand for; 0 is not known.
	Bytes() int
	// Fingerprint is a hash of the tokens.
	Fingerprint() string
}

// InMemory are tokens of a text of so many bytes, 0 where that is not known.
func InMemory(ids []int32, bytes int) Tokens { return &inMemory{ids, bytes} }

type inMemory struct {
	ids   []int32
	bytes int
}

func (m *inMemory) Len() int                 { return len(m.ids) }
func (m *inMemory) Read(dst []int32, at int) { copy(dst, m.ids[at:at+len(dst)]) }
func (m *inMemory) Bytes() int               { return m.bytes }

func (m *inMemory) Fingerprint() string {
	h := sha256.New()
	var buffer []byte
	for part := range slices.Chunk(m.ids, 1<<16) {
		buffer = buffer[:0]
		for _, id := range part {
			buffer = binary.LittleEndian.AppendUint32(buffer, uint32(id))
		}
		h.Write(buffer)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Text is a stream of tokens that a model learns to continue: windows as long as the model's context, each token of which predicts the next.
// The place of a window is that of its first token.
type Text struct {
	tokens  Tokens
	context int
	windows int
}

// NewText cuts a stream into windows for a model that sees context tokens. What is left at the end and does not fill a window is not used, unless
// it is all there is. At most `limit` windows are used, 0 is no limit. A stream of less than two tokens has no window.
func NewText(tokens Tokens, context, limit int) *Text {
	t := &Text{tokens: tokens, context: context, windows: (tokens.Len() - 1) / context}
	if t.windows == 0 && tokens.Len() > 1 {
		t.context, t.windows = tokens.Len()-1, 1
	}
	if limit > 0 {
		t.windows = min(t.windows, limit)
	}
	return t
}

// Len is the number of windows.
func (t *Text) Len() int { return t.windows }

// Tokens is the number of tokens that the model reads in one pass over the text.
func (t *Text) Tokens() int { return t.windows * t.context }

func (t *Text) place(i int) int { return i * t.context }

// deal begins the windows of each epoch elsewhere, so that no epoch sees those of another, and permutes them without a list of them.
func (t *Text) deal(o *Options) (size int, deal func(epoch int) func(i int) int) {
	size, room := t.windows, t.tokens.Len()-t.context // places where a window may begin
	if size > 1 {
		size-- // the first window may begin anywhere in the one that is left out
	}
	return size, func(epoch int) func(i int) int {
		random := rand.New(rand.NewPCG(o.Seed, uint64(epoch)+1)) // stream 0 of the seed made the weights
		first := random.IntN(min(t.context, room-(size-1)*t.context))
		p := newPermutation(size, random)
		return func(i int) int { return first + p.at(i)*t.context }
	}
}

func (t *Text) sequence(at int, r *room) sequence {
	if len(r.ids) <= t.context {
		r.ids = make([]int32, t.context+1)
	}
	ids := r.ids[:t.context+1]
	t.tokens.Read(ids, at)
	return sequence{inputs: ids[:t.context], targets: ids[1:], answers: ids[1:], wanted: t.context, question: (t.context + 1) / 2}
}

func (t *Text) length(int) int       { return t.context }
func (t *Text) wanted(int, bool) int { return t.context }

// right counts tokens.
func (t *Text) right(hits []float32) (right, of int) {
	for _, h := range hits {
		if h != 0 {
			right++
		}
	}
	return right, len(hits)
}

func (t *Text) question(_ int, s sequence, names tokenizer.Tokenizer) string {
	prompt, _ := s.prompt()
	return names.Decode(prompt)
}

func (t *Text) summarize(e *Evaluation, nll []float64, right []int) {
	e.Total = t.Tokens()
	for i := range nll {
		e.Loss += nll[i]
		e.Right += right[i]
	}
	if n := t.tokens.Len(); n > 0 {
		e.BytesPerToken = float64(t.tokens.Bytes()) / float64(n)
	}
	e.Loss /= float64(max(1, e.Total))
}

func (t *Text) fingerprint() string { return t.tokens.Fingerprint() }
