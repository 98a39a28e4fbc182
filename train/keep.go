package train

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"trainer/internal/atomicfile"
)

// KeptFolder is the folder, in that of the run, of checkpoints that are kept besides the current one: KeptFolder/step-000500 is a folder of
// the same files, and can be used like it.
const KeptFolder = "checkpoints"

// Keep says which checkpoints are kept besides the current one. The zero Keep keeps none, and leaves alone what was kept before.
type Keep struct {
	Last int     // so many of those before the current one
	Best Measure // and the one that did best on the held-out data; "" is none. That one is kept even while it is the current one.
}

func (k Keep) any() bool { return k.Last > 0 || k.Best != "" }

// Measure is what a checkpoint can be the best by.
type Measure string

// The measures: the lowest loss, or the largest share of right answers.
const (
	ByLoss     Measure = "loss"
	ByAccuracy Measure = "accuracy"
)

// HeldOut is how a model did on the held-out data.
type HeldOut struct {
	Loss     float64 `json:"loss"` // mean -log p, in nats
	Accuracy float64 `json:"accuracy"`
}

// heldOut is of an evaluation, nil where it has no finite loss.
func (e *Evaluation) heldOut() *HeldOut {
	if math.IsNaN(e.Loss) || math.IsInf(e.Loss, 0) {
		return nil
	}
	return &HeldOut{Loss: e.Loss, Accuracy: e.Accuracy()}
}

// better says that a is better than b; anything is better than nothing.
func (m Measure) better(a, b *HeldOut) bool {
	switch {
	case a == nil || b == nil:
		return a != nil
	case m == ByAccuracy:
		return a.Accuracy > b.Accuracy
	}
	return a.Loss < b.Loss
}

// kept is a checkpoint on the disk.
type kept struct {
	step    int
	heldOut *HeldOut // nil where it was not evaluated
}

// best is the step of the best of some checkpoints, the first of equals, and -1 where none was evaluated.
func (m Measure) best(list []kept) (step int, heldOut *HeldOut) {
	step = -1
	for _, c := range list {
		if m != "" && m.better(c.heldOut, heldOut) {
			step, heldOut = c.step, c.heldOut
		}
	}
	return step, heldOut
}

// retained are the steps of the checkpoints that stay besides the current one, of those before it, in order.
func (k Keep) retained(before []kept, current kept) []int {
	var steps []int
	for _, c := range before[max(0, len(before)-k.Last):] {
		steps = append(steps, c.step)
	}
	if best, _ := k.Best.best(append(slices.Clone(before), current)); best >= 0 && !slices.Contains(steps, best) {
		steps = append(steps, best)
	}
	return steps
}

// checkpoints are all that the folder holds: those that are kept and the current one, by step.
func (f *Folder) checkpoints() ([]kept, error) {
	steps, err := KeptSteps(f.Dir)
	if err != nil {
		return nil, err
	}
	var list []kept
	for _, step := range steps {
		// What is not a checkpoint of ours is none, and is left alone.
		if s, err := ReadState(filepath.Join(f.keptPath(step), StateFile)); err == nil && s != nil && s.Step == step {
			list = append(list, kept{step, s.HeldOut})
		}
	}
	s, err := f.State()
	if err != nil || s == nil {
		return list, err
	}
	if !slices.ContainsFunc(list, func(c kept) bool { return c.step == s.Step }) {
		list = append(list, kept{s.Step, s.HeldOut})
	}
	slices.SortFunc(list, func(a, b kept) int { return cmp.Compare(a.step, b.step) })
	return list, nil
}

// keptNames matches the folders of checkpoints.
var keptNames = regexp.MustCompile(`^step-([0-9]{6,10})$`)

// KeptPath is the folder of the checkpoint that the run folder dir keeps of a step.
func KeptPath(dir string, step int) string {
	return filepath.Join(dir, KeptFolder, fmt.Sprintf("step-%06d", step))
}

func (f *Folder) keptPath(step int) string { return KeptPath(f.Dir, step) }

// KeptSteps are the steps of the checkpoints that the run folder dir keeps besides the current one, in order. A trainer may be at work in it.
func KeptSteps(dir string) ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(dir, KeptFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("checkpoints that are kept: %w", err)
	}
	var steps []int
	for _, entry := range entries {
		name := keptNames.FindStringSubmatch(entry.Name())
		if name == nil || !entry.IsDir() {
			continue
		}
		if step, err := strconv.Atoi(name[1]); err == nil && KeptPath(dir, step) == filepath.Join(dir, KeptFolder, entry.Name()) {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// retain keeps what a policy asks for when a checkpoint takes the place of the current one, around commit, which is when it does. Links come
// before, while the files of the current one are there; removals come behind, when something has taken their place.
func (f *Folder) retain(k Keep, next kept, commit func() error) error {
	if !k.any() {
		return commit()
	}
	before, err := f.checkpoints()
	if err != nil {
		return err
	}
	before = slices.DeleteFunc(before, func(c kept) bool { return c.step >= next.step })
	retained := k.retained(before, next)
	link := func(c kept) error {
		if !slices.Contains(retained, c.step) {
			return nil
		}
		return atomicfile.Link(f.Dir, checkpointFiles, f.keptPath(c.step))
	}
	for _, c := range before { // all but the current one exist, and stay as they are
		if err := link(c); err != nil {
			return err
		}
	}
	if err := commit(); err != nil {
		return err
	}
	if err := link(next); err != nil {
		return err
	}
	for _, c := range before {
		if !slices.Contains(retained, c.step) {
			if err := f.removeKept(c.step); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Folder) removeKept(step int) error {
	if err := atomicfile.Remove(f.keptPath(step)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("a checkpoint that is kept no longer: %w", err)
	}
	return nil
}

// DropKept removes the kept checkpoints behind a step, which a run that goes on from there takes again. Behind -1 are all.
func (f *Folder) DropKept(step int) error {
	steps, err := KeptSteps(f.Dir)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if s > step {
			if err := f.removeKept(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// standing is how the checkpoint of a step did, and the best of all.
func (f *Folder) standing(step int, m Measure) (heldOut, best *HeldOut, err error) {
	list, err := f.checkpoints()
	for _, c := range list {
		if c.step == step {
			heldOut = c.heldOut
		}
	}
	_, best = m.best(list)
	return heldOut, best, err
}

// Best is the path of the folder with the checkpoint that is the best by a measure, of those that are there, and how that did. The path is ""
// where none was evaluated.
func (f *Folder) Best(m Measure) (path string, h *HeldOut, err error) {
	list, err := f.checkpoints()
	if err != nil {
		return "", nil, err
	}
	step, h := m.best(list)
	if h == nil {
		return "", nil, nil
	}
	return f.keptPath(step), h, nil
}
