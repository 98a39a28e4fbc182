package floor

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/findings"
	"trainer/internal/floor/api"
	"trainer/internal/format"
	"trainer/internal/memory"
	"trainer/internal/vm"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// shelf has the checkpoints of a run folder, which a trainer may be writing into, and the weights before the training: those are
// computed again from the seed where no checkpoint of step 0 was kept. A few models are held in memory, on one thread of the CPU.
type shelf struct {
	dir  string
	turn chan struct{} // of the one question at work
	list []*opened     // the one asked last at the end

	answers answers
}

// opened is a model in memory.
type opened struct {
	step      int
	model     *model.Model
	tokenizer tokenizer.Tokenizer
	backend   vm.Backend
	executor  *model.Executor
	findings  *findings.Findings // nil before they are asked for
}

// Models are held as long as they are few: before training and now, side by side, and one on the way; and small, except for the last one.
const (
	maxOpened  = 3
	maxWeights = 256 << 20 // of all of them, 4 bytes each
)

func newShelf(dir string) *shelf { return &shelf{dir: dir, turn: make(chan struct{}, 1)} }

// closeLimit is how long close waits for a question at work. Behind it the process is about to end, and takes the models along.
const closeLimit = time.Second

// close frees the models.
func (s *shelf) close() {
	select {
	case s.turn <- struct{}{}:
	case <-time.After(closeLimit):
		return
	}
	for _, o := range s.list {
		o.backend.Close()
	}
	s.list = nil
}

// checkpoints lists what can be opened besides the model as it is.
func (s *shelf) checkpoints() []api.Checkpoint {
	steps, _ := train.KeptSteps(s.dir) // a folder that cannot be read has none
	if !slices.Contains(steps, 0) && s.remakes() {
		steps = append([]int{0}, steps...)
	}
	list := make([]api.Checkpoint, len(steps))
	for i, step := range steps {
		list[i] = api.Checkpoint{Step: step, Label: strconv.Itoa(step)}
		if step == 0 {
			list[i].Label = "before training"
		}
	}
	return list
}

// initFrom is the flag of the training command by which a run begins with the weights of another.
const initFrom = "init-from"

// remakes says whether the weights before the training follow from the seed.
func (s *shelf) remakes() bool {
	state, err := s.state()
	return err == nil && state != nil && state.Arguments[initFrom] == ""
}

func (s *shelf) state() (*train.State, error) {
	return (&train.Folder{Dir: s.dir}).State()
}

// saved says whether there is a checkpoint.
func (s *shelf) saved() bool {
	_, err := os.Stat(filepath.Join(s.dir, model.ConfigFile))
	return err == nil
}

// trace follows a question through the model of a step.
func (s *shelf) trace(ctx context.Context, q Question) (*api.Trace, error) {
	var trace *api.Trace
	err := s.with(ctx, q.Step, func(o *opened) error {
		p, err := encode(o.tokenizer, o.model.Config, s.completed(q, o.tokenizer))
		if err != nil {
			return err
		}
		trace, err = s.follow(o, p)
		return err
	})
	return trace, err
}

// with calls do with the model of a step, when it is its turn.
func (s *shelf) with(ctx context.Context, step int, do func(o *opened) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	o, err := s.open(step)
	if err != nil {
		return err
	}
	return do(o)
}

// open returns the model of a step, or the one there is Now, which it loads unless it has it.
func (s *shelf) open(step int) (*opened, error) {
	now := step == Now
	if now {
		state, err := s.state()
		if err != nil {
			return nil, err
		}
		if step = 0; state != nil { // a model of others has none
			step = state.Step
		}
	}
	if i := slices.IndexFunc(s.list, func(o *opened) bool { return o.step == step }); i >= 0 {
		o := s.list[i]
		s.list = append(slices.Delete(s.list, i, i+1), o)
		return o, nil
	}
	if err := s.fits(); err != nil {
		return nil, err
	}
	var m *model.Model
	var t tokenizer.Tokenizer
	var err error
	if now {
		m, t, step, err = s.current() // which a trainer may have replaced by a later one
	} else {
		m, t, err = s.load(step)
	}
	if err != nil {
		return nil, err
	}
	for len(s.list) == maxOpened || len(s.list) > 0 && (len(s.list)+1)*len(m.Weights) > maxWeights {
		s.list[0].backend.Close()
		s.list = slices.Delete(s.list, 0, 1)
	}
	backend := cpu.New(1, kernel.Best())
	o := &opened{step: step, model: m, tokenizer: t, backend: backend, executor: model.NewExecutor(m, backend)}
	s.list = append(s.list, o)
	return o, nil
}

// fits refuses to open a model that would take more than half of the memory that is free: a training may be at work in this process, or in
// another on this machine, and must not be ended by who looks at it.
func (s *shelf) fits() error {
	file, err := os.Stat(filepath.Join(s.dir, model.WeightsFile))
	free, known := memory.Available()
	if err == nil && known && 2*file.Size() > int64(free) {
		return refuse(http.StatusServiceUnavailable, "a model of %s does not fit beside what the machine does: %s of memory are free: "+
			"ask again when more is, or look at a copy of the folder on another machine",
			format.Bytes(int(file.Size())), format.GiB(free))
	}
	return nil
}

// load reads the model of a step.
func (s *shelf) load(step int) (*model.Model, tokenizer.Tokenizer, error) {
	steps, err := train.KeptSteps(s.dir)
	if err != nil {
		return nil, nil, err
	}
	if slices.Contains(steps, step) {
		return train.LoadModel(train.KeptPath(s.dir, step))
	}
	m, t, at, err := s.current()
	switch {
	case err != nil:
		return nil, nil, err
	case at == step:
		return m, t, nil
	case step != 0 || !s.remakes():
		return nil, nil, refuse(http.StatusNotFound, "there is no checkpoint of step %d: expected one of those that /api/run lists", step)
	}
	state, err := s.state()
	if err != nil {
		return nil, nil, err
	}
	first, err := model.New(m.Config, state.Options.Seed)
	return first, t, err
}

// current reads the last checkpoint, and which step it is of. A trainer may replace it meanwhile: then it is read again.
func (s *shelf) current() (*model.Model, tokenizer.Tokenizer, int, error) {
	const tries = 5
	for range tries {
		before, err := s.state()
		if err != nil {
			return nil, nil, 0, err
		}
		m, t, err := train.LoadModel(s.dir)
		if err != nil {
			return nil, nil, 0, err
		}
		after, err := s.state()
		if err != nil {
			return nil, nil, 0, err
		}
		if before == nil && after == nil {
			return m, t, 0, nil // a model without a training state, such as one of others
		}
		if before != nil && after != nil && before.Step == after.Step {
			return m, t, after.Step, nil
		}
	}
	return nil, nil, 0, fmt.Errorf("%s: the checkpoint changes faster than it can be read: ask again", s.dir)
}
