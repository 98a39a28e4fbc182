package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
)

// Link makes a folder of the files of those names in dir, which share their space with it: Write and Group replace files, they never change
// one. Where the filesystem has no hard links it copies. A kill or a power cut at any instant leaves the whole folder or none, once
// RecoverFolders has run. A folder that exists stays as it is; the one above it is made where it is missing.
func Link(dir string, names []string, to string) error { return link(disk{}, dir, names, to) }

func link(fsys filesystem, dir string, names []string, to string) error {
	if _, err := fsys.list(to); err == nil {
		return nil
	}
	above := filepath.Dir(to)
	temporary := filepath.Join(above, temporaryName(filepath.Base(to)))
	err := makeAbove(fsys, above)
	if err == nil {
		err = fsys.mkdir(temporary)
	}
	for _, name := range names {
		if err == nil {
			err = linkOrCopy(fsys, filepath.Join(dir, name), filepath.Join(temporary, name))
		}
	}
	if err == nil {
		err = fsys.syncDir(temporary)
	}
	if err == nil {
		err = fsys.rename(temporary, to)
	}
	if err != nil {
		removeDir(fsys, temporary)
		return Explain(to, kept, err)
	}
	if err := fsys.syncDir(above); err != nil {
		return Explain(to, kept, err)
	}
	return nil
}

// makeAbove makes a folder, if it is missing, that lasts.
func makeAbove(fsys filesystem, dir string) error {
	err := fsys.mkdir(dir)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fsys.syncDir(filepath.Dir(dir))
}

func linkOrCopy(fsys filesystem, from, to string) error {
	if fsys.link(from, to) == nil {
		return nil
	}
	return stage(fsys, to, func(w io.Writer) error {
		r, err := fsys.open(from)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
}

// Remove removes a folder of files. A kill or a power cut at any instant leaves the whole folder or none, once RecoverFolders has run.
func Remove(dir string) error { return remove(disk{}, dir) }

func remove(fsys filesystem, dir string) error {
	above := filepath.Dir(dir)
	temporary := filepath.Join(above, temporaryName(filepath.Base(dir)))
	err := fsys.rename(dir, temporary)
	if err == nil {
		err = fsys.syncDir(above) // or a power cut could undo the rename, and not the removals
	}
	if err == nil {
		err = removeDir(fsys, temporary)
	}
	return err
}

// RecoverFolders removes what a Link or a Remove of a folder in dir was killed at. A dir that does not exist has nothing of the kind.
func RecoverFolders(dir string) error {
	if err := recoverFolders(disk{}, dir); err != nil {
		return Explain(dir, "what a cut-off save left there stays", err)
	}
	return nil
}

func recoverFolders(fsys filesystem, dir string) error {
	names, err := fsys.list(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		if err == nil && temporaries.MatchString(name) {
			err = removeDir(fsys, filepath.Join(dir, name))
		}
	}
	return err
}
