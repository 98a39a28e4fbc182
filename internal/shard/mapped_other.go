//go:build !unix

package shard

import (
	"fmt"
	"os"
)

// content is a file's bytes, read when they are asked for.
type content struct{ file *os.File }

// newContent takes over a file.
func newContent(f *os.File, _ int64) (content, error) { return content{f}, nil }

// at returns the n bytes from an offset on. It panics where they cannot be read, as a mapped file would end the process.
func (c content) at(offset int64, n int) []byte {
	b := make([]byte, n)
	if _, err := c.file.ReadAt(b, offset); err != nil {
		panic(fmt.Sprintf("shard: %v", err))
	}
	return b
}

func (c content) close() error { return c.file.Close() }
