// Package atomicfile replaces files so that a kill or a power cut at any instant leaves the old content or the new one,
// whole: Write for one file, Group for several that belong together, such as the files of a checkpoint, and Link and Remove for whole folders
// of such files.
//
// Errors name the path and say what became of the old content; they are plain failures, of no class of package fault.
package atomicfile

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"syscall"
)

// bufferSize in bytes: content comes in pieces of any size.
const bufferSize = 256 << 10

// Write replaces the file at path by what content writes. If anything fails, an error of content included, the file stays as it
// was.
func Write(path string, content func(w io.Writer) error) error {
	return write(disk{}, path, content)
}

func write(fsys filesystem, path string, content func(w io.Writer) error) error {
	dir, base := filepath.Split(path)
	dir = filepath.Clean(dir)
	temporary := filepath.Join(dir, temporaryName(base))
	if err := stage(fsys, temporary, content); err != nil {
		return Explain(path, "the file is as before", err)
	}
	if err := fsys.rename(temporary, path); err != nil {
		fsys.remove(temporary)
		return Explain(path, "the file is as before", err)
	}
	if err := fsys.syncDir(dir); err != nil {
		return Explain(path, "the file is replaced, but a power cut may undo that", err)
	}
	return nil
}

// temporaryName is under which the new content of a file is built: a name of its own, so that writers of the same path do not meet.
func temporaryName(base string) string { return "." + base + "." + rand.Text()[:8] + ".tmp" }

// temporaries matches the names that temporaryName gives.
var temporaries = regexp.MustCompile(`^\..+\.[2-7A-Z]{8}\.tmp$`)

// removeTemporaries removes what a kill during write has left in a folder.
func removeTemporaries(fsys filesystem, dir string) error {
	names, err := fsys.list(dir)
	for _, name := range names {
		if err == nil && temporaries.MatchString(name) {
			err = fsys.remove(filepath.Join(dir, name))
		}
	}
	return err
}

// stage creates a file whose content is on disk when it returns. After an error or a panic of content there is no file.
func stage(fsys filesystem, path string, content func(w io.Writer) error) (err error) {
	f, err := fsys.create(path)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			f.Close()
			fsys.remove(path)
		}
	}()
	w := bufio.NewWriterSize(f, bufferSize)
	if err := content(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	done = true
	return nil
}

// Explain wraps err, which came of saving path, with what it means for the user and what to do. outcome says what became of what was there.
func Explain(path, outcome string, err error) error {
	var cause string
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		cause = "the disk is full (free some space, or save to another disk): "
	case errors.Is(err, syscall.EROFS):
		cause = "the disk is read-only (save to another folder): "
	case errors.Is(err, fs.ErrPermission):
		cause = "no permission to write there (change that, or save to another folder): "
	}
	return fmt.Errorf("cannot save %s: %s%w; %s", path, cause, err, outcome)
}
