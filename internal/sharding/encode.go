package sharding

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"unicode/utf8"

	"trainer/internal/corpus"
	"trainer/internal/shard"
	"trainer/tokenizer"
)

// chunkSize bounds the text that is encoded at once, in bytes. It is below what a tokenizer encodes on all cores: they have
// other blocks to do.
const chunkSize = 128 << 10

// encoder turns blocks into ids. It is safe for concurrent use.
type encoder struct {
	tokenizer tokenizer.Tokenizer
	eos       int32  // put behind each document; NoToken is none
	heldOut   uint64 // documents whose key is below are held out
	textOnly  bool   // the tokenizer needs UTF-8
}

func newEncoder(o *Options) *encoder {
	e := &encoder{tokenizer: o.Tokenizer, eos: tokenizer.NoToken}
	if o.EOS {
		e.eos = o.Tokenizer.EOS()
	}
	if share := math.Ldexp(o.HeldOut, 64); share >= math.MaxUint64 {
		e.heldOut = math.MaxUint64
	} else {
		e.heldOut = uint64(share)
	}
	_, anything := o.Tokenizer.(*tokenizer.BPE)
	e.textOnly = !anything
	return e
}

var errNotText = errors.New("not UTF-8: tokenizers of words and of characters read text, those of bytes anything")

// encoded is what becomes of a block.
type encoded struct{ train, heldOut part }

// part is what goes to one stream.
type part struct {
	ids    []int32
	pieces []piece
}

// piece is a piece of a document.
type piece struct {
	end   int // of its ids
	bytes int64
	ends  bool // it is the last of its document
}

// encode encodes a block.
func (e *encoder) encode(b *corpus.Block) (*encoded, error) {
	result := &encoded{}
	err := b.Pieces(func(p corpus.Piece) error {
		if p.Text == "" {
			return nil // a document without text
		}
		if e.isHeldOut(p.Head) {
			return e.piece(&p, &result.heldOut)
		}
		return e.piece(&p, &result.train)
	})
	return result, err
}

// isHeldOut decides by a hash of the document's beginning: its place among the others does not matter, and what is there twice
// is not both learned and held out.
func (e *encoder) isHeldOut(head string) bool {
	if e.heldOut == 0 {
		return false
	}
	sum := sha256.Sum256([]byte(head))
	return binary.BigEndian.Uint64(sum[:]) < e.heldOut
}

// piece appends the ids of a piece.
func (e *encoder) piece(p *corpus.Piece, to *part) error {
	for rest := p.Text; rest != ""; {
		n := e.chunk(rest)
		ids, err := e.ids(rest[:n])
		if err != nil {
			return e.locate(p, err)
		}
		to.ids = append(to.ids, ids...)
		rest = rest[n:]
	}
	if p.Ends && e.eos != tokenizer.NoToken {
		to.ids = append(to.ids, e.eos)
	}
	to.pieces = append(to.pieces, piece{len(to.ids), int64(len(p.Text)), p.Ends})
	return nil
}

// chunk returns how much of a text to encode at once.
func (e *encoder) chunk(text string) int {
	for size := chunkSize; size < len(text); size *= 2 {
		if cut := e.tokenizer.Cut(text[:size]); cut > 0 {
			return cut
		}
	}
	return len(text)
}

// ids returns the ids of a text.
func (e *encoder) ids(text string) ([]int32, error) {
	if e.textOnly && !utf8.ValidString(text) {
		return nil, errNotText
	}
	return e.tokenizer.Encode(text)
}

// locate says where in a piece an error is.
func (e *encoder) locate(p *corpus.Piece, err error) error {
	place := *p
	if p.Plain {
		at := p.At
		for line := range strings.Lines(p.Text) {
			if _, inLine := e.ids(line); inLine != nil {
				place.At, err = at, inLine
				break
			}
			at++
		}
	}
	return place.Errorf("%w", err)
}

// appendTo writes the part to its stream and adds it to the stream's sums.
func (p *part) appendTo(w *shard.Writer, sums *Totals) error {
	begin := 0
	for _, piece := range p.pieces {
		if err := w.Append(p.ids[begin:piece.end], piece.bytes, piece.ends); err != nil {
			return err
		}
		sums.Tokens += int64(piece.end - begin)
		sums.Bytes += piece.bytes
		if piece.ends && piece.end > begin {
			sums.Documents++
		}
		begin = piece.end
	}
	return nil
}
