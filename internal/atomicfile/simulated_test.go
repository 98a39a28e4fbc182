package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
)

var errKilled = errors.New("killed")

// simulated is a filesystem in memory which stops at a given step, and which forgets at a power cut what was not synced,
// more thoroughly than a real one would: each change of a name since the last syncDir survives or not by itself.
type simulated struct {
	files   map[string]*simulatedFile // by path
	durable map[string]*simulatedFile // what a power cut cannot undo
	changes []change                  // from durable to files

	steps   int   // done so far
	failAt  int   // the step from which on all fail, or -1
	once    bool  // only step failAt fails
	failure error // how

	noLinks bool // as on FAT
}

type simulatedFile struct {
	folder       bool
	data, synced []byte
	disk         *simulated
}

// change is an entry of the journal, of a file or folder: from is "" for a creation, to is "" for a removal.
type change struct {
	from, to string
	file     *simulatedFile
	synced   bool
}

func newSimulated(files map[string]string) *simulated {
	s := &simulated{durable: map[string]*simulatedFile{}, failAt: -1, failure: errKilled}
	s.durable[folder] = &simulatedFile{folder: true, disk: s}
	for name, content := range files {
		s.durable[filepath.Join(folder, name)] = &simulatedFile{data: []byte(content), synced: []byte(content), disk: s}
	}
	s.files = maps.Clone(s.durable)
	return s
}

// step counts and says whether to stop.
func (s *simulated) step() error {
	n := s.steps
	s.steps++
	if s.failAt >= 0 && (n == s.failAt || n > s.failAt && !s.once) {
		return s.failure
	}
	return nil
}

func (c change) apply(files map[string]*simulatedFile) {
	// A file survives at its new name even where an earlier change of its old name was lost; a folder does not.
	moved := map[string]*simulatedFile{}
	if c.from == "" || !c.file.folder {
		moved[c.to] = c.file
	}
	for path, file := range files {
		if c.from != "" && (path == c.from || strings.HasPrefix(path, c.from+"/")) {
			delete(files, path)
			moved[c.to+strings.TrimPrefix(path, c.from)] = file
		}
	}
	if c.to != "" && files[filepath.Dir(c.to)] != nil {
		maps.Copy(files, moved)
	}
}

func (s *simulated) change(c change) {
	c.apply(s.files)
	s.changes = append(s.changes, c)
}

func (s *simulated) create(path string) (file, error) {
	if err := s.step(); err != nil {
		return nil, err
	}
	if s.files[path] != nil {
		return nil, fs.ErrExist
	}
	f := &simulatedFile{disk: s}
	s.change(change{to: path, file: f})
	return f, nil
}

func (s *simulated) mkdir(path string) error {
	if err := s.step(); err != nil {
		return err
	}
	if s.files[path] != nil {
		return fs.ErrExist
	}
	s.change(change{to: path, file: &simulatedFile{folder: true, disk: s}})
	return nil
}

func (s *simulated) rename(from, to string) error {
	if err := s.step(); err != nil {
		return err
	}
	if s.files[from] == nil || s.files[to] != nil && s.files[to].folder {
		return fs.ErrInvalid
	}
	s.change(change{from: from, to: to, file: s.files[from]})
	return nil
}

func (s *simulated) link(from, to string) error {
	if err := s.step(); err != nil {
		return err
	}
	if s.noLinks {
		return errors.ErrUnsupported
	}
	if s.files[from] == nil || s.files[to] != nil {
		return fs.ErrInvalid
	}
	s.change(change{to: to, file: s.files[from]})
	return nil
}

func (s *simulated) open(path string) (io.ReadCloser, error) {
	if err := s.step(); err != nil {
		return nil, err
	}
	if s.files[path] == nil {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(s.files[path].data)), nil
}

func (s *simulated) remove(path string) error {
	if err := s.step(); err != nil {
		return err
	}
	if names, _ := s.names(path); s.files[path] == nil || len(names) > 0 {
		return fs.ErrInvalid
	}
	s.change(change{from: path, file: s.files[path]})
	return nil
}

func (s *simulated) list(dir string) ([]string, error) {
	if err := s.step(); err != nil {
		return nil, err
	}
	return s.names(dir)
}

func (s *simulated) names(dir string) (names []string, err error) {
	if s.files[dir] == nil {
		return nil, fs.ErrNotExist
	}
	for path := range s.files {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

func (s *simulated) syncDir(dir string) error {
	if err := s.step(); err != nil {
		return err
	}
	for i, c := range s.changes {
		if c.to != "" && filepath.Dir(c.to) == dir || c.to == "" && filepath.Dir(c.from) == dir {
			s.changes[i].synced = true
		}
	}
	return nil
}

func (f *simulatedFile) Write(data []byte) (int, error) {
	if err := f.disk.step(); err != nil {
		n := len(data) / 2
		f.data = append(f.data, data[:n]...)
		return n, err
	}
	f.data = append(f.data, data...)
	return len(data), nil
}

func (f *simulatedFile) Sync() error {
	if err := f.disk.step(); err != nil {
		return err
	}
	f.synced = f.data
	return nil
}

func (f *simulatedFile) Close() error { return f.disk.step() }

// restart lets the filesystem work again, after a kill of the process alone.
func (s *simulated) restart() { s.steps, s.failAt = 0, -1 }

// cutPower is restart after a loss of what was not synced, or of most of it.
func (s *simulated) cutPower(random *rand.Rand) {
	files := maps.Clone(s.durable)
	for _, c := range s.changes {
		if c.synced || random.IntN(2) == 0 {
			c.apply(files)
		}
	}
	for _, file := range files {
		file.data = file.synced
	}
	s.files, s.durable, s.changes = files, maps.Clone(files), nil
	s.restart()
}

// contents is what stands in the folder: all files, and folders as "folder".
func (s *simulated) contents() map[string]string {
	contents := map[string]string{}
	for path, file := range s.files {
		switch {
		case path == folder:
		case file.folder:
			contents[strings.TrimPrefix(path, folder+"/")] = "folder"
		default:
			contents[strings.TrimPrefix(path, folder+"/")] = string(file.data)
		}
	}
	return contents
}
