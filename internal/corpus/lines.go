package corpus

import (
	"bytes"
	"fmt"
	"io"
)

// lineStream is a file of JSON objects, one a line, each of them a document.
type lineStream struct {
	*unpacked
	field  string
	path   string
	rest   []byte // read, and not yet part of a block
	offset int64  // of rest
	lines  int64  // before it
	ended  bool
}

func openLines(f *File, o Options, from Position) (stream, error) {
	u, err := unpack(f)
	if err != nil {
		return nil, err
	}
	if err := u.skip(from.Offset); err != nil {
		u.Close()
		return nil, err
	}
	return &lineStream{unpacked: u, field: o.Field, path: f.Path, offset: from.Offset, lines: from.Lines}, nil
}

// next takes the whole lines in a block's size, or in twice that, and so on.
func (l *lineStream) next(b *Block) error {
	for size := blockSize; ; size *= 2 {
		if !l.ended {
			var err error
			if l.rest, l.ended, err = l.fill(l.rest, size); err != nil {
				return err
			}
		}
		if len(l.rest) == 0 {
			return io.EOF
		}
		end := len(l.rest)
		if !l.ended {
			end = 1 + bytes.LastIndexByte(l.rest, '\n')
		}
		if end > 0 {
			l.block(b, bytes.Clone(l.rest[:end]))
			return nil
		}
		if size >= MaxPiece {
			return fmt.Errorf("line %d is longer than %d MiB: break its document up", l.lines+1, MaxPiece>>20)
		}
	}
}

// block makes a block of the lines that come next.
func (l *lineStream) block(b *Block, lines []byte) {
	first := l.lines + 1
	l.rest = append(l.rest[:0], l.rest[len(lines):]...)
	l.offset += int64(len(lines))
	l.lines += int64(bytes.Count(lines, []byte("\n")))
	b.Next = Position{Offset: l.offset, Lines: l.lines}
	field, path := l.field, l.path
	b.pieces = func(yield func(Piece) error) error {
		at := first - 1
		for line := range bytes.Lines(lines) {
			at++
			line = bytes.TrimSpace(line)
			if len(line) == 0 {
				continue // many files end with an empty line
			}
			piece := Piece{Ends: true, File: path, Unit: "line", At: at}
			text, err := fieldOf(line, field)
			if err != nil {
				return piece.Errorf("%w", err)
			}
			piece.Text, piece.Head = text, text[:min(len(text), HeadSize)]
			if err := yield(piece); err != nil {
				return err
			}
		}
		return nil
	}
}

func (l *lineStream) consumed() int64 { return l.n - int64(len(l.rest)) }
