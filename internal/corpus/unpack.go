package corpus

import (
	"errors"
	"fmt"
	"io"
	"os"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that unpacking a Zstandard file takes: that of zstd --ultra -22 or --long=27.
const maxWindow = 128 << 20

// unpacked is the text of a file from front to back, and how much of the file has been read for it.
type unpacked struct {
	file  *os.File
	text  io.Reader
	n     int64 // bytes of the file
	close func() error
}

// Read is that of the file, which it counts.
func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.file.Read(p)
	u.n += int64(n)
	return n, err
}

// unpack opens a file whose text is packed or not.
func unpack(f *File) (*unpacked, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	u := &unpacked{file: file, close: func() error { return nil }}
	switch f.packing {
	case ".gz":
		err = u.gzip()
	case ".zst":
		err = u.zstd()
	default:
		u.text = u
	}
	if err == nil && f.Size == 0 && f.packing != "" {
		err = errors.New("the file is empty, which no packed text is")
	}
	if err != nil {
		u.Close()
		return nil, unpackError(err)
	}
	return u, nil
}

func (u *unpacked) gzip() error {
	r, err := kgzip.NewReader(u)
	if err == nil {
		u.text, u.close = r, r.Close
	}
	return err
}

func (u *unpacked) zstd() error {
	r, err := zstd.NewReader(u, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err == nil {
		u.text, u.close = r, func() error { r.Close(); return nil }
	}
	return err
}

// unpackError explains what went wrong in reading a file.
func unpackError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the packed file is cut short: get it once more")
	case errors.Is(err, kgzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		return errors.New("the file is not packed as its name says")
	case errors.Is(err, kgzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return fmt.Errorf("the packed file is damaged: get it once more: %w", err)
	}
	return err
}

// fill appends text to buffer until it has size bytes, and says whether the text ended before.
func (u *unpacked) fill(buffer []byte, size int) (filled []byte, ended bool, err error) {
	if cap(buffer) < size {
		buffer = append(make([]byte, 0, size), buffer...)
	}
	for len(buffer) < size {
		n, err := u.text.Read(buffer[len(buffer):size])
		buffer = buffer[:len(buffer)+n]
		if err == io.EOF {
			return buffer, true, nil
		}
		if err != nil {
			return nil, false, unpackError(err)
		}
	}
	return buffer, false, nil
}

// skip goes n bytes forward in the text.
func (u *unpacked) skip(n int64) error {
	if u.text == io.Reader(u) {
		_, err := u.file.Seek(n, io.SeekCurrent)
		u.n += n
		return err
	}
	m, err := io.CopyN(io.Discard, u.text, n)
	if err == io.EOF {
		return fmt.Errorf("the text ends at byte %d, but %d had been read before: the file has changed", m, n)
	}
	if err != nil {
		return unpackError(err)
	}
	return nil
}

// Close closes the file.
func (u *unpacked) Close() error { return errors.Join(u.close(), u.file.Close()) }
