package floor

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"trainer/internal/floor/api"
	"trainer/train"
)

// Runs are the run folders beside one another, whose numbers can be laid over each other. They are opened under their common folder, and
// nothing outside of it is ever read, whatever name is asked for.
type Runs struct {
	own  string
	root *os.Root

	mutex  sync.Mutex
	opened map[string]*chronicle // of the runs that were asked for, a few at a time
}

// maxChronicles is how many runs beside one's own are held in memory.
const maxChronicles = 16

// maxRuns is how many names a page is given.
const maxRuns = 200

// OpenRuns opens the folder in which the folder of a run lies.
func OpenRuns(dir string) (*Runs, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	return &Runs{own: filepath.Base(dir), root: root, opened: make(map[string]*chronicle)}, nil
}

// Close gives the folder free.
func (r *Runs) Close() error { return r.root.Close() }

// Own is the name of the run beside which the others are.
func (r *Runs) Own() string { return r.own }

// Names are the names of all runs, in order. One's own is among them even when its folder has gone.
func (r *Runs) Names() []string {
	names := []string{r.own}
	entries, _ := fs.ReadDir(r.root.FS(), ".") // a folder that has gone has no other runs
	for _, entry := range entries {
		if len(names) == maxRuns {
			break
		}
		if name := entry.Name(); name != r.own && r.isRun(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (r *Runs) isRun(name string) bool {
	info, err := r.root.Stat(filepath.Join(name, train.MetricsFile))
	return err == nil && info.Mode().IsRegular()
}

// Metrics are the numbers of a run beside one's own.
func (r *Runs) Metrics(name string, since int) (*api.Metrics, error) {
	if !slices.Contains(r.Names(), name) {
		return nil, refuse(http.StatusNotFound, "there is no run %q beside %s", name, r.own)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	c := r.opened[name]
	if c == nil {
		if len(r.opened) >= maxChronicles {
			clear(r.opened)
		}
		c = newChronicle(func(file string) (*os.File, error) { return r.root.Open(filepath.Join(name, file)) }, nil)
		r.opened[name] = c
	}
	err := c.follow(ignore)
	if errors.Is(err, fs.ErrPermission) {
		return nil, refuse(http.StatusForbidden, "the run %q cannot be read", name)
	}
	if err != nil {
		return nil, err
	}
	return c.history.metrics(name, since), nil
}
