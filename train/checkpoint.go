package train

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"trainer/internal/atomicfile"
	"trainer/internal/collective"
	"trainer/internal/fault"
	"trainer/internal/lockfile"
	"trainer/internal/safetensors"
	"trainer/internal/vm"
	"trainer/model"
)

// The names of a run's files, beside those of the model and the tokenizer.
const (
	StateFile   = "state.safetensors" // what a run needs to go on: optimizer, sampler, step
	MetricsFile = "metrics.jsonl"     // a line for each step and each evaluation
	SamplesFile = "samples.jsonl"     // what the model said to the same prompts, at some steps
	SummaryFile = "summary.json"      // the result
)

// Folder is the run folder. While it is open, no other trainer can use it. The model, the tokenizer and the state are replaced together, so
// that a kill at any instant leaves the last checkpoint whole.
type Folder struct {
	Dir     string
	lock    *lockfile.Lock
	metrics *os.File
	buffer  *bufio.Writer
	line    []byte
	failed  bool // to write, which was told
}

// OpenFolder creates the folder where it is missing, locks it, and finishes a checkpoint that was cut off.
func OpenFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	lock, err := lockfile.Acquire(dir)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(atomicfile.Recover(dir), atomicfile.RecoverFolders(filepath.Join(dir, KeptFolder))); err != nil {
		lock.Release()
		return nil, err
	}
	return &Folder{Dir: dir, lock: lock}, nil
}

// SetAside renames the folder to dir.previous, or where earlier ones have such names to dir.previous-2 and so on, and begins an empty one.
func (f *Folder) SetAside() (previous string, err error) {
	dir, err := filepath.Abs(f.Dir)
	if err != nil {
		return "", err
	}
	ending := ".previous"
	for n := 2; exists(dir + ending); n++ {
		ending = fmt.Sprintf(".previous-%d", n)
	}
	if err := errors.Join(f.lock.Release(), os.Rename(dir, dir+ending)); err != nil {
		return "", fmt.Errorf("keeping the earlier run: %w", err)
	}
	next, err := OpenFolder(f.Dir)
	if err != nil {
		return "", err
	}
	*f = *next
	return filepath.Clean(f.Dir) + ending, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// Path is the path of a file of the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Close writes what is buffered and gives the folder free. That a disk is full is not told twice.
func (f *Folder) Close() error {
	told := f.failed
	err := f.flush()
	if err == nil {
		err = f.syncMetrics()
	}
	if told {
		err = nil
	}
	if f.metrics != nil {
		err = errors.Join(err, f.metrics.Close())
	}
	return errors.Join(err, f.lock.Release())
}

// State is what a checkpoint knows besides weights.
type State struct {
	Step      int               `json:"step"`
	Epoch     int               `json:"epoch"` // of the sampler
	Next      int               `json:"next"`  // its position in the epoch
	Options   Options           `json:"options"`
	Data      string            `json:"data"`               // fingerprint of the training data
	Arguments map[string]string `json:"arguments"`          // of the program that began the run, for it to use again
	HeldOut   *HeldOut          `json:"held_out,omitempty"` // of an evaluation at this step
}

// stateKey is the metadata of state.safetensors that holds the State as JSON.
const stateKey = "trainer"

// State returns the state of the last checkpoint, nil when the folder has none.
func (f *Folder) State() (*State, error) { return ReadState(f.Path(StateFile)) }

// ReadState reads the State of a file, nil where there is none. A trainer may be at work in its folder.
func ReadState(path string) (*State, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, ok := file.Metadata(stateKey)
	if !ok {
		return nil, fault.Dataf("%s: it has no metadata %q: expected the state of a training run", path, stateKey)
	}
	s, err := parseState(text)
	if err != nil {
		return nil, fault.Dataf("%s: metadata %q: %w", path, stateKey, err)
	}
	return s, nil
}

// parseState reads a State from its JSON.
func parseState(text string) (*State, error) {
	s := &State{}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON object")
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"step", s.Step}, {"epoch", s.Epoch}, {"next", s.Next}} {
		if n.value < 0 || n.value > math.MaxInt32 {
			return nil, fmt.Errorf("%s %d: expected 0 to %d", n.name, n.value, math.MaxInt32)
		}
	}
	return s, s.Options.Validate()
}

// Save writes a checkpoint. When it returns without error, the checkpoint is on the disk. Weights that the last step has made NaN or
// infinite are an error. In a group every process calls it, with the folder of rank 0, nil on the others.
func (f *Folder) Save(t *Trainer, arguments map[string]string) error {
	s, err := t.snapshot(arguments)
	if err != nil || f == nil {
		return err
	}
	if err := f.flush(); err != nil {
		return err
	}
	return f.write(s, Keep{})
}

// checkpointFiles are replaced together.
var checkpointFiles = append(slices.Clone(modelFiles), StateFile)

// write replaces the checkpoint by one of a snapshot, and keeps others as a policy asks for. It touches nothing that Log does, so that both
// can happen at the same time.
func (f *Folder) write(s *snapshot, keep Keep) error {
	if err := s.checkFinite(); err != nil {
		return err
	}
	if err := f.syncMetrics(); err != nil {
		return err
	}
	g, err := atomicfile.Begin(f.Dir)
	if err != nil {
		return err
	}
	defer g.Abort()
	contents := modelContents(s.model, s.tokenizer, safetensors.F32)
	contents[StateFile] = s.writeState
	for _, name := range checkpointFiles {
		if err := g.Write(name, contents[name]); err != nil {
			return err
		}
	}
	return f.retain(keep, kept{s.state.Step, s.state.HeldOut}, g.Commit)
}

// Resume puts the trainer, made of the folder's model and data, where the state says. The number of steps, of threads and of processes that
// train together may differ from those of the run so far, nothing else; with other threads or processes the result differs in the last bits.
// In a group every process calls it with the same state, and the folder is that of rank 0, nil on the others.
func (f *Folder) Resume(t *Trainer, s *State) error {
	path := StateFile
	if f != nil {
		path = f.Path(StateFile)
	}
	if now := t.fingerprint(); now != s.Data {
		return fault.Dataf("%s: the training data is not that of the run: expected the data with fingerprint %s, got %s", path, s.Data, now)
	}
	if err := sameOptions(s.Options, t.Options); err != nil {
		return err
	}
	size, dealt := t.sampler.size, s.Step*len(t.batch)
	if s.Next > size || s.Epoch*size+s.Next != dealt {
		return fault.Dataf("%s: position %d of epoch %d: expected where %d sequences dealt from epochs of %d lead, after %d steps",
			path, s.Next, s.Epoch, dealt, size, s.Step)
	}
	if err := t.readMoments(path); err != nil {
		return err
	}
	t.optimizer.SetSteps(s.Step)
	t.step = s.Step
	t.sampler.seek(s.Epoch, s.Next)
	return t.engine.updater.push(s.Step)
}

// readMoments reads the optimizer's state. In a group rank 0 has the file, and each takes of every tensor what it owns.
func (t *Trainer) readMoments(path string) error {
	group := t.engine.group
	var file *safetensors.File
	_, err := collective.Lead(group, func() (_ []byte, err error) {
		file, err = safetensors.Open(path)
		return nil, err
	})
	if err != nil {
		return err
	}
	if file != nil {
		defer file.Close()
	}
	for _, v := range t.optimizer.State() {
		for i := range t.Model.Parameters {
			p := &t.Model.Parameters[i]
			value, err := collective.Lead(group, func() ([]byte, error) {
				value, name := make([]float32, p.Size()), v.Name+"."+p.Name
				if err := safetensors.Read(file, name, value, p.Shape...); err != nil {
					return nil, err
				}
				if at := model.IndexNonFinite(value); at >= 0 {
					return nil, fault.Dataf("%s: element %d of %s is %g: expected finite numbers", path, at, name, value[at])
				}
				return vm.Bytes(value), nil
			})
			if err != nil {
				return err
			}
			t.partition.take(v.Value, vm.Float32s(value), p.Begin)
		}
	}
	return nil
}

// sameOptions returns a usage error that names the first option which a resumed run may not change.
func sameOptions(saved, now Options) error {
	saved, now = saved.withDefaults(), now.withDefaults()
	now.Steps, now.Threads, now.Device, now.GEMM, now.Recompute = saved.Steps, saved.Threads, saved.Device, saved.GEMM, saved.Recompute
	now.Group = saved.Group
	if len(saved.Repeats)+len(now.Repeats) == 0 {
		now.Repeats = saved.Repeats // JSON tells an empty map from none
	}
	a, b := reflect.ValueOf(saved), reflect.ValueOf(now)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
			return fault.Optionf("the run was begun with %s %v, not %v: it cannot change on the way; "+
				"leave the flag out, or begin another run with -out", fault.Option(name), x, y)
		}
	}
	return nil
}
