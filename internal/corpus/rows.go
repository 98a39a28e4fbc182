package corpus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// rowStream is a column of a Parquet file, each row of which is a document.
type rowStream struct {
	file   *os.File
	size   int64
	path   string
	column parquet.LeafColumn
	groups []parquet.RowGroup // those not yet begun
	pages  parquet.Pages      // of the group under way
	page   parquet.Page
	values parquet.ValueReader // of page
	row    int64               // that comes next
	total  int64
}

// openRows opens a Parquet file. That of another kind, or damaged, is an error.
func openRows(f *File, o Options, from Position) (stream, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	r := &rowStream{file: file, size: f.Size, path: f.Path}
	if err := r.begin(o.Field, from.Offset); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// damaged turns a panic of package parquet into an error: it checks a file's metadata less than its own.
func damaged(err *error) {
	if problem := recover(); problem != nil {
		*err = fmt.Errorf("the Parquet file is damaged: %v", problem)
	}
}

// begin reads the metadata and goes to a row.
func (r *rowStream) begin(field string, row int64) (err error) {
	defer damaged(&err)
	if err := r.checkFooter(); err != nil {
		return err
	}
	file, err := parquet.OpenFile(r.file, r.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("not a Parquet file, or a damaged one: %v", err) // not wrapped: io.EOF would be an end
	}
	if r.column, err = textColumn(file.Schema(), field); err != nil {
		return err
	}
	r.groups, r.total, r.row = file.RowGroups(), file.NumRows(), row
	for len(r.groups) > 0 && row >= r.groups[0].NumRows() {
		row -= r.groups[0].NumRows()
		r.groups = r.groups[1:]
	}
	if len(r.groups) == 0 || row == 0 {
		return nil
	}
	r.nextGroup()
	return r.pages.SeekToRow(row)
}

// checkFooter returns an error if the metadata at the end of the file cannot be as long as it says: package parquet would ask for
// that much memory, of which there are up to 4 GiB. The file ends with the length, in 4 bytes, and 4 letters.
func (r *rowStream) checkFooter() error {
	const tail = 8
	b := make([]byte, tail)
	if _, err := r.file.ReadAt(b, max(0, r.size-tail)); err != nil {
		return errors.New("not a Parquet file: it is too short")
	}
	if n := int64(binary.LittleEndian.Uint32(b)); n > r.size-tail {
		return fmt.Errorf("not a Parquet file, or one that is cut short: it has %d bytes, and claims %d of metadata", r.size, n)
	}
	return nil
}

// textColumn returns the column of a field, with dots between the names where it is inside of others.
func textColumn(schema *parquet.Schema, field string) (parquet.LeafColumn, error) {
	column, ok := schema.Lookup(field)
	if !ok {
		column, ok = schema.Lookup(strings.Split(field, ".")...)
	}
	switch {
	case !ok:
		var names []string
		for _, path := range schema.Columns() {
			names = append(names, strings.Join(path, "."))
		}
		return column, fmt.Errorf("there is no column %q: -field names the one with the text, one of %s", field, strings.Join(names, ", "))
	case column.MaxRepetitionLevel > 0:
		return column, fmt.Errorf("the column %q has lists, expected text", field)
	case column.Node.Type().Kind() != parquet.ByteArray:
		return column, fmt.Errorf("the column %q is of type %s, expected text", field, column.Node.Type())
	}
	return column, nil
}

// nextGroup opens the next row group.
func (r *rowStream) nextGroup() {
	r.pages = r.groups[0].ColumnChunks()[r.column.ColumnIndex].Pages()
	r.groups = r.groups[1:]
}

// next takes rows until a block is full.
func (r *rowStream) next(b *Block) (err error) {
	defer damaged(&err)
	var (
		text  []byte
		ends  []int
		first = r.row + 1
		batch [64]parquet.Value
	)
	for len(text) < blockSize {
		n, err := r.read(batch[:])
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("the Parquet file is damaged at row %d: %v", r.row+1, err)
		}
		for _, v := range batch[:n] {
			r.row++
			switch {
			case v.IsNull():
				return fmt.Errorf("row %d has no text: the column is null", r.row)
			case len(v.ByteArray()) > MaxPiece:
				return fmt.Errorf("row %d is longer than %d MiB: break its document up", r.row, MaxPiece>>20)
			}
			text = append(text, v.ByteArray()...)
			ends = append(ends, len(text))
		}
	}
	if ends == nil {
		if r.row != r.total {
			return fmt.Errorf("the file has %d rows, expected %d, as it says", r.row, r.total)
		}
		return io.EOF
	}
	b.Next = Position{Offset: r.row, Lines: r.row}
	path := r.path
	b.pieces = func(yield func(Piece) error) error {
		all, begin := string(text), 0
		for i, end := range ends {
			document := all[begin:end]
			begin = end
			err := yield(Piece{
				Text: document, Head: document[:min(len(document), HeadSize)], Ends: true, File: path, Unit: "row", At: first + int64(i),
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// read reads values from the page under way, or from the next that has some. It returns io.EOF behind the last.
func (r *rowStream) read(batch []parquet.Value) (int, error) {
	for {
		if r.values != nil {
			n, err := r.values.ReadValues(batch)
			if n > 0 {
				return n, nil
			}
			r.release()
			if err != nil && !errors.Is(err, io.EOF) {
				return 0, err
			}
		}
		if r.pages == nil {
			if len(r.groups) == 0 {
				return 0, io.EOF
			}
			r.nextGroup()
		}
		page, err := r.pages.ReadPage()
		switch {
		case errors.Is(err, io.EOF):
			err = r.pages.Close()
			r.pages = nil
			if err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		default:
			r.page, r.values = page, page.Values()
		}
	}
}

// release gives the memory of a page back.
func (r *rowStream) release() {
	if r.page != nil {
		parquet.Release(r.page)
	}
	r.page, r.values = nil, nil
}

// consumed takes all rows for equally long.
func (r *rowStream) consumed() int64 {
	if r.total == 0 {
		return 0
	}
	return int64(float64(r.size) * float64(r.row) / float64(r.total))
}

// Close closes the file.
func (r *rowStream) Close() (err error) {
	defer damaged(&err)
	r.release()
	if r.pages != nil {
		err = r.pages.Close()
	}
	return errors.Join(err, r.file.Close())
}
