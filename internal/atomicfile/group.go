package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
)

// The folders, inside of that of the files, through which a Group goes. The rename of the first to the second is the instant
// at which the new files replace the old ones; what follows can be repeated until it is done.
const (
	staging   = ".checkpoint-new"
	committed = ".checkpoint-commit"
)

// Group replaces several files of one folder together: a kill or a power cut at any instant leaves all old or all new ones,
// once Recover has run. Files that are not in the group stay. Only one process at a time may use Begin and Recover on a
// folder (package lockfile); one that reads meanwhile may find the files of a commit under way partly old, partly new.
type Group struct {
	fsys  filesystem
	dir   string
	names []string
	ended bool
}

// Begin starts a group of files of the folder dir, which must exist. It cleans up first as Recover does.
func Begin(dir string) (*Group, error) { return begin(disk{}, dir) }

func begin(fsys filesystem, dir string) (*Group, error) {
	if err := recoverDir(fsys, dir); err != nil {
		return nil, err
	}
	if err := fsys.mkdir(filepath.Join(dir, staging)); err != nil {
		return nil, Explain(dir, kept, err)
	}
	return &Group{fsys: fsys, dir: dir}, nil
}

const kept = "the last checkpoint is kept"

// Write adds the file name to the group, with what content writes. Nothing of it is visible before Commit. An error ends
// the group: it is aborted, which gives its space back to a full disk.
func (g *Group) Write(name string, content func(w io.Writer) error) error {
	if name != filepath.Base(name) || g.ended || slices.Contains(g.names, name) {
		panic(fmt.Sprintf("atomicfile: cannot add %q to %q (ended: %t)", name, g.names, g.ended))
	}
	if err := stage(g.fsys, filepath.Join(g.dir, staging, name), content); err != nil {
		g.Abort()
		return Explain(filepath.Join(g.dir, name), kept, err)
	}
	g.names = append(g.names, name)
	return nil
}

// Commit replaces the files. The error says whether the old ones are still in force, or the new ones are safe on disk and
// will be when Begin or Recover runs next.
func (g *Group) Commit() error {
	if g.ended {
		panic("atomicfile: Commit of a group that has ended")
	}
	err := g.fsys.syncDir(filepath.Join(g.dir, staging))
	if err == nil {
		err = g.fsys.rename(filepath.Join(g.dir, staging), filepath.Join(g.dir, committed))
	}
	if err != nil {
		g.Abort()
		return Explain(g.dir, kept, err)
	}
	g.ended = true
	return rollForward(g.fsys, g.dir, g.names)
}

// Abort drops the group and keeps the old files. After Commit it does nothing, so that it can be deferred. What it fails
// to remove the next Begin or Recover will.
func (g *Group) Abort() {
	if !g.ended {
		g.ended = true
		removeDir(g.fsys, filepath.Join(g.dir, staging))
	}
}

// Recover finishes what a Group or a Write in the folder dir was killed at: a commit is carried through, anything before it is
// removed. It is to be called before the files are read, and while nobody writes. A kill during Recover does no harm.
func Recover(dir string) error {
	if err := recoverDir(disk{}, dir); err != nil {
		return err
	}
	if err := removeTemporaries(disk{}, dir); err != nil {
		return Explain(dir, "what a cut-off save left there stays", err)
	}
	return nil
}

func recoverDir(fsys filesystem, dir string) error {
	names, err := fsys.list(filepath.Join(dir, committed))
	switch {
	case err == nil:
		if err := rollForward(fsys, dir, names); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot see whether a save into %s was cut short: %w", dir, err)
	}
	if err := removeDir(fsys, filepath.Join(dir, staging)); err != nil {
		return Explain(dir, kept, err)
	}
	return nil
}

// rollForward moves the files of those names from the folder of the commit into place. Each step waits until the one before it
// would survive a power cut.
func rollForward(fsys filesystem, dir string, names []string) error {
	from := filepath.Join(dir, committed)
	err := fsys.syncDir(dir)
	for _, name := range names {
		if err == nil {
			err = fsys.rename(filepath.Join(from, name), filepath.Join(dir, name))
		}
	}
	if err == nil {
		err = fsys.syncDir(dir)
	}
	if err == nil {
		err = fsys.remove(from)
	}
	if err != nil {
		return Explain(dir, "the new checkpoint is complete in "+committed+" and will be put in place at the next start", err)
	}
	return nil
}

// removeDir removes a folder of files, if there is one.
func removeDir(fsys filesystem, dir string) error {
	names, err := fsys.list(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		if err == nil {
			err = fsys.remove(filepath.Join(dir, name))
		}
	}
	if err == nil {
		err = fsys.remove(dir)
	}
	return err
}
