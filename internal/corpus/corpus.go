// Package corpus reads text from files of several kinds, document by document, in a fixed order and in blocks of about a
// megabyte, so that memory does not grow with the files and many workers can share what comes out.
//
//	files and folders -> Find -> []File -> Reader -> Block, Block, ... -> Pieces of documents
//
// A .txt file is one document, of any size; a line of .jsonl and a row of .parquet are one each. Text and lines may be packed
// by gzip or Zstandard. Reading can begin behind any block: its Position says where.
//
// Start at Reader; text.go, lines.go and rows.go are the three kinds.
package corpus

import (
	"fmt"
	"io"

	"trainer/internal/fault"
)

const (
	// blockSize is about how many bytes of a file a block has.
	blockSize = 1 << 20
	// MaxPiece is how many bytes without a place to cut, or of a line or row, are held in memory.
	MaxPiece = 16 << 20
	// HeadSize is how much of a document's beginning each of its pieces knows.
	HeadSize = 64 << 10
)

// Options say how files become documents.
type Options struct {
	Field string // the key of JSON lines and the column of Parquet that has the text
	// Cut returns the last place where a text that goes on may be cut in two, or 0, as tokenizer.Tokenizer does.
	Cut func(text string) int
}

// Position is a place between two blocks.
type Position struct {
	File   int   `json:"file"`   // index into the files
	Offset int64 `json:"offset"` // into the file's text, unpacked, in bytes; in Parquet in rows
	Lines  int64 `json:"lines"`  // that end before it
}

// Piece is a part of a document, mostly all of it.
type Piece struct {
	Text string
	Head string // the first HeadSize bytes of the document, or all of it
	Ends bool   // it is the last piece of its document
	File string // where the piece begins,
	Unit string // in which "line" or "row",
	At   int64  // counted from 1
	// Plain says that the text is as it stands in the file, so that its lines are those of the file from At on.
	Plain bool
}

// Errorf returns an error of class data about something in the piece: a text that names its place, and the error.
func (p *Piece) Errorf(format string, args ...any) error {
	return fault.Dataf("%s:%s: %w", p.File, place(p.Unit, p.At), fmt.Errorf(format, args...))
}

// place writes a line as compilers do, and a row with its name.
func place(unit string, at int64) string {
	if unit == "line" {
		return fmt.Sprint(at)
	}
	return fmt.Sprintf(" %s %d", unit, at)
}

// Block is a part of a file: some documents, or a part of one. It belongs to whoever got it.
type Block struct {
	// Next is where the block behind it begins.
	Next Position
	// Consumed is how many bytes of all files have been read so far, as they lie on the disk.
	Consumed int64
	pieces   func(yield func(Piece) error) error
}

// Pieces calls yield with the pieces of the block, in order, until one is refused. Errors of the block itself are of class
// data and name the file and the line or row. Blocks are independent of each other: their pieces can be asked for at the same time.
func (b *Block) Pieces(yield func(Piece) error) error { return b.pieces(yield) }

// stream is one open file.
type stream interface {
	// next fills in what the block is, but for Next.File. It returns io.EOF behind the last block.
	next(b *Block) error
	// consumed is how many bytes of the file have been read.
	consumed() int64
	Close() error
}

// Reader reads files one after the other.
type Reader struct {
	files   []File
	options Options
	at      Position
	open    stream
	before  int64 // bytes of the files that are done
}

// NewReader returns a Reader of files that begins at a position, the zero Position being the beginning.
func NewReader(files []File, o Options, from Position) *Reader {
	r := &Reader{files: files, options: o, at: from}
	for _, f := range files[:from.File] {
		r.before += f.Size
	}
	return r
}

// Next returns the next block, or io.EOF. Any other error is of class data and names the file.
func (r *Reader) Next() (*Block, error) {
	for r.at.File < len(r.files) {
		f := &r.files[r.at.File]
		if r.open == nil {
			open, err := f.open(r.options, r.at)
			if err != nil {
				return nil, fault.Dataf("%s: %w", f.Path, err)
			}
			r.open = open
		}
		b := &Block{}
		err := r.open.next(b)
		if err == nil {
			b.Next.File = r.at.File
			b.Consumed = r.before + r.open.consumed()
			r.at = b.Next
			return b, nil
		}
		if err != io.EOF {
			return nil, fault.Dataf("%s: %w", f.Path, err)
		}
		if err := r.Close(); err != nil {
			return nil, fault.Dataf("%s: %w", f.Path, err)
		}
		r.before += f.Size
		r.at = Position{File: r.at.File + 1}
	}
	return nil, io.EOF
}

// Close closes the file that is open.
func (r *Reader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}
