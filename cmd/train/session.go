package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"trainer/internal/atomicfile"
	"trainer/internal/chart"
	"trainer/internal/cli"
	"trainer/internal/collective"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/floor/api"
	"trainer/internal/format"
	"trainer/internal/tensorboard"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// session is one run of the program.
type session struct {
	*arguments
	flags     *cli.Flags
	rank      int                     // of this process, by its launcher
	group     collective.Communicator // of the processes that train together
	localRank int                     // among those on this machine
	device    device.Choice
	folder    *train.Folder // nil on the ranks of a group behind 0
	opened    bool          // the folder is, on rank 0
	state     *train.State  // of the checkpoint to go on from, or nil
	previous  string        // the folder in which the finished run that was in this one is kept, or ""
	material  material
	base      *model.Model // to begin with, where -init-from names one, or nil
	tokenizer tokenizer.Tokenizer
	lessons   *lessons
	trainer   *train.Trainer
	questions []question
	view      view
	board     *board    // nil without -tensorboard
	pages     *pages    // nil without -http
	outcome   api.State // how the run has ended, for the pages
}

// view tells about a run.
type view interface {
	train.Observer
	started(s *session)
	before(list []answer)
	after(list []answer, r *result)
	note(text string)
	stop() // the loop has ended, in whichever way
}

// teach is the command.
func teach(ctx context.Context, a *arguments, flags *cli.Flags) error {
	s := &session{arguments: a, flags: flags, rank: rankOf(), view: newView(a), outcome: api.Interrupted}
	if err := s.join(); err != nil {
		return err
	}
	err := s.meet(s.work(ctx))
	return s.leave(errors.Join(err, s.close()))
}

// work is what the command does.
func (s *session) work(ctx context.Context) (err error) {
	a := s.arguments
	if err := s.compare(); err != nil {
		return err
	}
	if err := collective.Agree(s.group, s.settle()); err != nil {
		return err
	}
	if a.onlyEstimate {
		if s.leads() {
			err = s.estimate(os.Stdout)
		}
		return err
	}
	if s.state != nil && s.state.Step >= a.options.Steps {
		_, err := collective.Lead(s.group, func() ([]byte, error) {
			_, _, err := train.LoadModel(s.out)
			return nil, err
		})
		if err != nil {
			return err
		}
		s.view.note(fmt.Sprintf("Nothing is left to do: the run in %s has taken all its %s steps.", a.out, format.Thousands(s.state.Step)))
		s.view.note("Ask it with: " + askCommand(a.out, ""))
		return nil
	}
	if s.leads() {
		finish, failed := profile(a.cpuProfile, a.memoryProfile)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, finish()) }()
	}
	if err := s.prepare(); err != nil {
		return err
	}
	return s.run(ctx)
}

// settle decides by flags what is to be done. A run that is gone on with has flags to give.
func (s *session) settle() error {
	if !s.flags.Given("out") {
		s.out = s.runFolder()
	}
	if s.resume {
		if err := s.openFolder(false); err != nil {
			return err
		}
	}
	if s.initFrom != "" {
		if err := s.loadBase(); err != nil {
			return err
		}
	}
	if err := s.arguments.settle(s.flags); err != nil {
		return err
	}
	if s.onlyEstimate {
		return nil // of any machine
	}
	var err error
	if s.device, err = s.chooseDevice(); err != nil {
		return err
	}
	s.options.Device, s.options.Group = s.device.Name, s.group
	if err := s.options.Validate(); err != nil {
		return fault.InFlags(err, flagOf)
	}
	return device.CheckFor(s.device.Name, s.options.Precision, s.options.GEMM)
}

// memoryOnGPU is the least that training takes there, in bytes: weights with their gradient and two moments, and what a context takes by
// itself.
func memoryOnGPU(c model.Config) int {
	const vectors, context = 4, 256 << 20
	return vectors*4*c.NumParameters() + context
}

func (s *session) close() error {
	var err error
	if s.pages != nil {
		err = s.pages.close(s.outcome)
	}
	if s.board != nil {
		err = errors.Join(err, s.board.close())
	}
	if s.trainer != nil {
		err = errors.Join(err, s.trainer.Close())
	}
	if s.folder != nil {
		err = errors.Join(err, s.folder.Close())
	}
	if c, ok := s.material.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}

// openFolder opens the run folder and decides what becomes of a run that it holds. A folder that is not there is made if it is to be. In a
// group the folder is that of rank 0, and the others are told of its state.
func (s *session) openFolder(create bool) error {
	text, err := collective.Lead(s.group, func() ([]byte, error) {
		if _, err := os.Stat(s.out); err != nil && !create {
			return json.Marshal(opened{})
		}
		err := s.holdFolder()
		return must(json.Marshal(opened{true, s.state})), err
	})
	if err != nil {
		return err
	}
	var o opened
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	s.opened = o.Folder
	if s.leads() || o.State == nil {
		return nil
	}
	s.state = o.State
	return s.flags.Restore(s.state.Arguments, changeable...)
}

// opened is what rank 0 tells of the run folder.
type opened struct {
	Folder bool
	State  *train.State
}

// holdFolder is openFolder on rank 0.
func (s *session) holdFolder() error {
	var err error
	if s.folder, err = train.OpenFolder(s.out); err != nil {
		return err
	}
	state, err := s.folder.State()
	switch {
	case s.overwrite && !s.resume: // whatever is there
		return nil
	case err != nil:
		return fmt.Errorf("%w; -overwrite would replace the run", err)
	case state == nil:
		return nil
	case s.resume:
		s.state = state
		err := s.flags.Restore(state.Arguments, changeable...)
		if fault.ExitCode(err) == fault.ExitData {
			err = fmt.Errorf("%s: %w", s.folder.Path(train.StateFile), err)
		}
		return err
	case !s.finished(state):
		return fault.Usagef("%s holds an unfinished run, at step %s of %s: go on with it by -resume, replace it by -overwrite, "+
			"or choose another folder by -out", s.out, format.Thousands(state.Step), format.Thousands(state.Options.Steps))
	}
	if s.previous, err = s.folder.SetAside(); err != nil {
		s.folder = nil // it is no longer locked
	}
	return err
}

// finished says whether the run in the folder has come to its end: to its last step, or earlier to its target accuracy, which only its
// result tells.
func (s *session) finished(state *train.State) bool {
	_, err := os.Stat(s.folder.Path(train.SummaryFile))
	return state.Step >= state.Options.Steps || err == nil
}

// prepare makes the trainer, new or from the checkpoint. A new run's folder comes after all that can be wrong with flags and data, which leave none
// behind.
func (s *session) prepare() error {
	var err error
	if err := s.inTurns(s.readLessons); err != nil {
		return err
	}
	m, err := s.newModel()
	if err := collective.Agree(s.group, err); err != nil {
		return err
	}
	if !s.flags.Given("keep") && s.keep.Best == "" {
		s.keep.Last = smallCheckpoints(s.config)
	}
	s.trainer, err = train.New(m, s.tokenizer, s.lessons.trained, s.lessons.heldOut, s.options)
	if err := collective.Agree(s.group, fault.InFlags(err, flagOf)); err != nil {
		return err
	}
	if err := s.compareTrainers(); err != nil {
		return err
	}
	if !s.opened {
		if err := s.openFolder(true); err != nil {
			return err
		}
	}
	if s.resume && s.state == nil {
		s.view.note(fmt.Sprintf("There is no checkpoint in %s to go on from: starting at step 0.", s.out))
	}
	if s.state != nil {
		err := s.folder.Resume(s.trainer, s.state)
		if err := collective.Agree(s.group, fault.InFlags(err, flagOf)); err != nil {
			return err
		}
	}
	_, err = collective.Lead(s.group, func() ([]byte, error) { return nil, s.clearFolder() })
	s.questions = s.material.questions()
	return err
}

// readLessons reads what there is to learn, and turns it into tokens.
func (s *session) readLessons() error {
	var err error
	if s.material, err = s.readMaterial(); err != nil {
		return err
	}
	if s.base == nil {
		if s.tokenizer, err = s.material.vocabulary(); err != nil {
			return err
		}
	}
	context := s.config.Context
	if e, ok := s.material.(*exampleMaterial); ok {
		if err := e.checkRepeats(s.options.Repeats); err != nil {
			return err
		}
		if s.data != "" && s.base == nil && !s.flags.Given("context") {
			context = 0
		}
	}
	if s.lessons, err = s.material.encode(s.tokenizer, context); err != nil {
		return err
	}
	s.config.Context = s.lessons.context
	return nil
}

// clearFolder takes out of the folder what is not of the run as far as it has come, and opens its metrics.
func (s *session) clearFolder() error {
	step, stays := 0, -1 // of a new run no checkpoint stays, not even that of step 0
	if s.state != nil {
		step, stays = s.state.Step, s.state.Step
	}
	if err := errors.Join(s.removeResults(), s.folder.DropKept(stays)); err != nil {
		return err
	}
	if s.state == nil {
		if err := tensorboard.Remove(s.folder.Path(boardFolder)); err != nil {
			return err
		}
	}
	seconds, err := s.folder.OpenMetrics(step)
	if err != nil {
		return err
	}
	s.trainer.AddSeconds(seconds)
	return nil
}

// smallCheckpoints is how many checkpoints are kept where nothing is asked for: the course of a small model can be looked at later, and a large
// one does not fill the disk.
func smallCheckpoints(c model.Config) int {
	const bytes, most = 32 << 20, 20
	const each = 4 * 3 // bytes a weight, with two moments
	return min(most, bytes/(each*c.NumParameters()))
}

// removeResults removes the results of an earlier run, or of fewer steps, which would not be those of the model in the folder.
func (s *session) removeResults() error {
	for _, name := range []string{train.SummaryFile, chart.LossFile, chart.BlameFile} {
		if err := os.Remove(s.folder.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("an earlier result: %w", err)
		}
	}
	return nil
}

// newModel makes the model, or loads it with its tokenizer.
func (s *session) newModel() (*model.Model, error) {
	if s.base != nil {
		return s.base, nil
	}
	if s.state == nil {
		c := s.config
		c.VocabSize = s.tokenizer.VocabSize()
		c.EOS = int(s.tokenizer.EOS())
		if pad, ok := s.tokenizer.ID(tokenizer.PadToken); ok {
			c.PAD = int(pad)
		}
		m, err := model.New(c, s.options.Seed)
		if err != nil {
			return nil, fault.InFlags(err, flagOf)
		}
		s.config = m.Config
		return m, nil
	}
	m, t, err := s.loadModel(s.heldModel)
	if err != nil {
		return nil, err
	}
	s.config, s.tokenizer = m.Config, t
	return m, nil
}

// heldModel loads the model of the run folder, which must be of the vocabulary that the data has.
func (s *session) heldModel() (*model.Model, tokenizer.Tokenizer, error) {
	path := s.folder.Path(tokenizer.FileName)
	t, err := tokenizer.Load(path)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(t.JSON(), s.tokenizer.JSON()) {
		return nil, nil, fault.Dataf("%s has another vocabulary than the data: expected both as the run was begun with them", path)
	}
	m, err := model.Load(s.out)
	if err != nil {
		return nil, nil, err
	}
	if m.Config.VocabSize != t.VocabSize() {
		return nil, nil, fault.Dataf("%s says %d tokens, %s has %d: they are not of one run", s.folder.Path(model.ConfigFile), m.Config.VocabSize,
			path, t.VocabSize())
	}
	return m, t, nil
}

// run trains, and writes the result.
func (s *session) run(ctx context.Context) error {
	s.view.started(s)
	begun := time.Now()
	before, err := s.asked()
	if err != nil {
		return err
	}
	took := time.Since(begun)
	s.view.before(before)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	observers, err := s.observers(end)
	if err != nil {
		return err
	}
	if s.leads() {
		if err := s.told(before); err != nil {
			return err
		}
		observers = append(observers, newSampler(s, took, end))
	}
	plan := train.Plan{Folder: s.folder, Arguments: runArguments(s.flags), EvaluateEvery: s.evaluateEvery, SaveEvery: s.saveEvery,
		Keep: s.keep, TargetAccuracy: s.target, StopAfter: s.stopAfter}
	if s.pages != nil {
		plan.Interlude = s.pages.live.Interlude()
	}
	err = s.trainer.Run(ctx, plan, observers)
	s.view.stop()
	if errors.Is(err, fault.ErrInterrupted) {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) { // an observer cannot go on
			if s.board != nil {
				s.board.told = errors.Is(cause, s.board.err)
			}
			err = fmt.Errorf("%w; stopped", cause)
		}
		return fmt.Errorf("%w at step %s of %s, which is saved; go on with:\n  %s",
			err, format.Thousands(s.trainer.StepsTaken()), format.Thousands(s.options.Steps), resumeCommand(s.out))
	}
	if err != nil {
		return err
	}
	r, err := s.result()
	if err != nil || !s.leads() {
		return err
	}
	after, err := s.asked()
	if err != nil {
		return err
	}
	s.view.after(after, r)
	s.outcome = api.Ended
	return s.told(after)
}

// observers are those who are told about the run: the view, and whom the flags ask for. One that cannot go on ends the run.
func (s *session) observers(end func(error)) (train.Observers, error) {
	list := train.Observers{s.view}
	var err error
	if !s.leads() {
		return list, nil
	}
	if s.tensorboard {
		if s.board, err = newBoard(s.folder.Path(boardFolder), s.trainer.StepsTaken(), end); err != nil {
			return nil, err
		}
		list = append(list, s.board)
	}
	if s.http != "" {
		if s.pages, err = s.servePages(); err != nil {
			return nil, err
		}
		s.view.note("Factory floor: " + s.pages.server.URL())
		s.view.note(fmt.Sprintf("Metrics for Prometheus: http://%s/metrics", s.pages.server.Address()))
		list = append(list, s.pages.observers()...)
	}
	return list, nil
}

// told tells samples.jsonl, TensorBoard and the pages what the model answers as it is.
func (s *session) told(list []answer) error {
	step := s.trainer.StepsTaken()
	var samples []train.Sample
	for _, a := range list {
		samples = append(samples, train.Sample{Step: step, Prompt: a.text, Text: a.got})
	}
	if err := s.folder.LogSamples(samples); err != nil {
		return err
	}
	if s.pages != nil {
		s.pages.live.Sampled(samples)
	}
	if s.board != nil {
		s.board.answers(step, list)
	}
	return nil
}

// result evaluates the trained model and writes summary.json and the charts. The ranks of a group behind 0 evaluate.
func (s *session) result() (*result, error) {
	trained, err := s.trainer.Evaluate(s.lessons.sample)
	if err != nil {
		return nil, err
	}
	heldOut, err := s.trainer.Evaluate(s.trainer.HeldOut)
	if err != nil || !s.leads() {
		return nil, err
	}
	recent, err := s.folder.RecentLoss(recentSteps(s.trainer.StepsTaken()))
	if err != nil {
		return nil, err
	}
	r := newResult(s, trained, heldOut, recent)
	if s.keep.Best != "" {
		path, measured, err := s.folder.Best(s.keep.Best)
		if err != nil {
			return nil, err
		}
		if measured != nil {
			r.best = &best{path, measured}
		}
	}
	err = atomicfile.Write(s.folder.Path(train.SummaryFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	})
	if err != nil {
		return nil, err
	}
	return r, chart.Write(s.out)
}
