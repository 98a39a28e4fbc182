package atomicfile

import (
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
)

// filesystem is what the package needs of one: steps which happen as a whole or not at all, but for writes. The tests
// let it die at each step.
type filesystem interface {
	create(path string) (file, error) // fails if path exists
	mkdir(path string) error          // fails if path exists
	rename(from, to string) error     // replaces a file
	link(from, to string) error       // gives a file a second name
	open(path string) (io.ReadCloser, error)
	remove(path string) error // a file or an empty folder
	list(dir string) ([]string, error)
	syncDir(dir string) error // makes what happened to the names in dir last through a power cut
}

type file interface {
	io.WriteCloser
	Sync() error
}

// disk is the filesystem of the operating system.
type disk struct{}

func (disk) create(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (disk) mkdir(path string) error      { return os.Mkdir(path, 0o777) }
func (disk) rename(from, to string) error { return os.Rename(from, to) }
func (disk) link(from, to string) error   { return os.Link(from, to) }
func (disk) remove(path string) error     { return os.Remove(path) }

func (disk) open(path string) (io.ReadCloser, error) { return os.Open(path) }

func (disk) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, err
}

func (disk) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be flushed there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some network and FUSE filesystems have no such operation and say so with EINVAL.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// SyncFolder makes what happened to the names in a folder last through a power cut. It is for files that are too large to be
// written in one go, as Write does, and that get their final names by a rename.
func SyncFolder(dir string) error { return disk{}.syncDir(dir) }
