package corpus

import (
	"bytes"
	"fmt"
	"io"
)

// textStream is a file that is one document.
type textStream struct {
	*unpacked
	cut    func(text string) int
	path   string
	head   string
	rest   []byte // read, and not yet part of a block
	offset int64  // of rest
	lines  int64  // before it
	ended  bool
}

func openText(f *File, o Options, from Position) (stream, error) {
	u, err := unpack(f)
	if err != nil {
		return nil, err
	}
	t := &textStream{unpacked: u, cut: o.Cut, path: f.Path}
	if err := t.begin(from); err != nil {
		u.Close()
		return nil, err
	}
	return t, nil
}

// begin reads the head of the document and goes to a position.
func (t *textStream) begin(from Position) error {
	head, ended, err := t.fill(nil, HeadSize)
	if err != nil {
		return err
	}
	t.head, t.offset, t.lines = string(head), from.Offset, from.Lines
	if skipped := from.Offset - int64(len(head)); skipped >= 0 && from.Offset > 0 {
		return t.skip(skipped)
	}
	t.rest, t.ended = head[from.Offset:], ended
	return nil
}

// next cuts the text at the last place in a block's size where it can be cut, or in twice that, and so on.
func (t *textStream) next(b *Block) error {
	for size := blockSize; ; size *= 2 {
		if !t.ended {
			var err error
			if t.rest, t.ended, err = t.fill(t.rest, size); err != nil {
				return err
			}
		}
		if len(t.rest) == 0 {
			return io.EOF
		}
		text := string(t.rest)
		end := len(text)
		if !t.ended {
			end = t.cut(text)
		}
		if end > 0 {
			t.block(b, text[:end])
			return nil
		}
		if size >= MaxPiece {
			return fmt.Errorf("%d MiB from line %d on have no space or line end at which the tokenizer could cut them: break the text up",
				MaxPiece>>20, t.lines+1)
		}
	}
}

// block makes a block of the text that comes next.
func (t *textStream) block(b *Block, text string) {
	lines := int64(bytes.Count(t.rest[:len(text)], []byte("\n")))
	piece := Piece{
		Text: text, Head: t.head, Ends: t.ended, File: t.path, Unit: "line", At: t.lines + 1, Plain: true,
	}
	b.pieces = func(yield func(Piece) error) error { return yield(piece) }
	t.rest = append(t.rest[:0], t.rest[len(text):]...)
	t.offset += int64(len(text))
	t.lines += lines
	b.Next = Position{Offset: t.offset, Lines: t.lines}
}

func (t *textStream) consumed() int64 { return t.n - int64(len(t.rest)) }
