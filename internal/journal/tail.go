package journal

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
)

// Tail follows a file of lines that grows, and that may be replaced by another.
type Tail struct {
	Open func() (*os.File, error)
	file fs.FileInfo // that is being read, nil before the first one
	read int64       // bytes of it, in whole lines
}

// Lines calls each with every line that was added since the last call. A last line that is not whole yet is left for later. Where the file is
// another one than at the last call, or has become shorter, restarted is called first, and it is read from its beginning. A file that is
// missing has no lines.
func (t *Tail) Lines(restarted func(), each func(line []byte)) error {
	file, err := t.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if t.file != nil && (!os.SameFile(t.file, info) || info.Size() < t.read) {
		t.read = 0
		restarted()
	}
	t.file = info
	r := bufio.NewReaderSize(io.NewSectionReader(file, t.read, math.MaxInt64-t.read), 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		t.read += int64(len(line))
		each(line)
	}
}

// Restart has the next call of Lines read from the beginning.
func (t *Tail) Restart() { t.file, t.read = nil, 0 }
