// Package lockfile keeps two trainers out of one run folder. The lock belongs to the process, not to the file: the
// operating system drops it when the process ends in any way, so a kill never leaves a folder locked.
package lockfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// name of the lock file. It stays in the folder: to remove it would let a process which waits with the old file open and one
// which creates a new file both hold a lock.
const name = ".lock"

// errHeld is what lock returns when another process has the lock.
var errHeld = errors.New("held by another process")

// Lock is the right to write into a folder. It must stay reachable until Release, or the garbage collector gives it back.
type Lock struct{ file *os.File }

// A process that asks whether a folder is locked has its lock for an instant: so long is tried again.
const (
	tries   = 5
	between = 5 * time.Millisecond
)

// Acquire takes the lock of the folder dir, which must exist. It does not wait: if a process has the lock, this one included,
// the error says which and since when.
func Acquire(dir string) (*Lock, error) {
	path := filepath.Join(dir, name)
	file, err := acquire(path)
	for i := 1; i < tries && errors.Is(err, errHeld); i++ {
		time.Sleep(between)
		file, err = acquire(path)
	}
	switch {
	case errors.Is(err, errHeld):
		return nil, fmt.Errorf("run folder %s is in use by %s: wait until it ends, stop it, or name another folder", dir, holder(path))
	case err != nil:
		return nil, fmt.Errorf("cannot lock run folder %s: %w", dir, err)
	}
	if err := sign(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot lock run folder %s: %w", dir, err)
	}
	return &Lock{file}, nil
}

// acquire opens and locks the file.
func acquire(path string) (*os.File, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// IsHeld says whether a process, this one included, has the lock of a folder. It leaves no lock file where there is none.
func IsHeld(dir string) bool {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return false
	}
	file, err := acquire(path)
	if err == nil {
		file.Close()
	}
	return errors.Is(err, errHeld)
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.file.Close() }

// sign writes into the file who has the lock, for the error of others.
func sign(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(file, "process %d (started %s)\n", os.Getpid(), time.Now().Format(time.DateTime))
	return err
}

// holder reads what sign wrote.
func holder(path string) string {
	file, err := os.Open(path)
	if err == nil {
		defer file.Close()
		text, err := io.ReadAll(io.LimitReader(file, 100))
		if signature := strings.TrimSpace(string(text)); err == nil && signature != "" {
			return signature
		}
	}
	return "another process"
}
