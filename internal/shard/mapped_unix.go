//go:build unix

package shard

import (
	"os"

	"golang.org/x/sys/unix"
)

// content is a file's bytes, mapped into memory: the system reads what is asked for and drops it when memory is short. If
// somebody cuts the file short meanwhile, the process gets the signal SIGBUS.
type content struct{ data []byte }

// newContent takes over a file of size bytes, at least 1.
func newContent(f *os.File, size int64) (content, error) {
	defer f.Close() // the mapping stays
	if size != int64(int(size)) {
		return content{}, unix.ENOMEM
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return content{}, os.NewSyscallError("mmap", err)
	}
	return content{data}, nil
}

// at returns the n bytes from an offset on, which are not to be changed.
func (c content) at(offset int64, n int) []byte { return c.data[offset:][:n:n] }

func (c content) close() error { return unix.Munmap(c.data) }
