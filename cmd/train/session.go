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

	"trainer/internal/atomicfile"
	"trainer/internal/chart"
	"trainer/internal/cli"
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
	device    device.Choice
	folder    *train.Folder
	state     *train.State // of the checkpoint to go on from, or nil
	previous  string       // the folder in which the finished run that was in this one is kept, or ""
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
func teach(ctx context.Context, a *arguments, flags *cli.Flags) (err error) {
	s := &session{arguments: a, flags: flags, view: newView(a), outcome: api.Interrupted}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.settle(); err != nil {
		return err
	}
	if a.onlyEstimate {
		return s.estimate(os.Stdout)
	}
	if s.state != nil && s.state.Step >= a.options.Steps {
		if _, _, err := train.LoadModel(s.out); err != nil {
			return err
		}
		s.view.note(fmt.Sprintf("Nothing is left to do: the run in %s has taken all its %s steps.", a.out, format.Thousands(s.state.Step)))
		s.view.note("Ask it with: " + askCommand(a.out, ""))
		return nil
	}
	finish, err := profile(a.cpuProfile, a.memoryProfile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, finish()) }()
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
	if _, err := os.Stat(s.out); s.resume && err == nil {
		if err := s.openFolder(); err != nil {
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
	if s.device, err = device.Choose(s.arguments.device, memoryOnGPU(s.config)); err != nil {
		return err
	}
	s.options.Device = s.device.Name
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

// openFolder opens the run folder and decides what becomes of a run that it holds.
func (s *session) openFolder() error {
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
	m, err := s.newModel()
	if err != nil {
		return err
	}
	if s.trainer, err = train.New(m, s.tokenizer, s.lessons.trained, s.lessons.heldOut, s.options); err != nil {
		return fault.InFlags(err, flagOf)
	}
	if s.folder == nil {
		if err := s.openFolder(); err != nil {
			return err
		}
	}
	if s.resume && s.state == nil {
		s.view.note(fmt.Sprintf("There is no checkpoint in %s to go on from: starting at step 0.", s.out))
	}
	step, stays := 0, -1 // of a new run no checkpoint stays, not even that of step 0
	if s.state != nil {
		if err := s.folder.Resume(s.trainer, s.state); err != nil {
			return fault.InFlags(err, flagOf)
		}
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
	s.questions = s.material.questions()
	return nil
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
	ofData, path := s.tokenizer.JSON(), s.folder.Path(tokenizer.FileName)
	var err error
	if s.tokenizer, err = tokenizer.Load(path); err != nil {
		return nil, err
	}
	if !bytes.Equal(s.tokenizer.JSON(), ofData) {
		return nil, fault.Dataf("%s has another vocabulary than the data: expected both as the run was begun with them", path)
	}
	m, err := model.Load(s.out)
	if err != nil {
		return nil, err
	}
	if m.Config.VocabSize != s.tokenizer.VocabSize() {
		return nil, fault.Dataf("%s says %d tokens, %s has %d: they are not of one run", s.folder.Path(model.ConfigFile), m.Config.VocabSize,
			s.folder.Path(tokenizer.FileName), s.tokenizer.VocabSize())
	}
	s.config = m.Config
	return m, nil
}

// run trains, and writes the result.
func (s *session) run(ctx context.Context) error {
	s.view.started(s)
	before, err := s.ask()
	if err != nil {
		return err
	}
	s.view.before(before)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	observers, err := s.observers(end)
	if err != nil {
		return err
	}
	if err := s.told(before); err != nil {
		return err
	}
	plan := train.Plan{Folder: s.folder, Arguments: runArguments(s.flags), EvaluateEvery: s.evaluateEvery, SaveEvery: s.saveEvery,
		Keep: s.keep, TargetAccuracy: s.target, StopAfter: s.stopAfter}
	if s.pages != nil {
		plan.Interlude = s.pages.live.Interlude()
	}
	err = s.trainer.Run(ctx, plan, observers)
	s.view.stop()
	if errors.Is(err, fault.ErrInterrupted) {
		if s.board != nil && s.board.err != nil {
			s.board.told = true
			err = fmt.Errorf("%w; stopped", s.board.err)
		}
		return fmt.Errorf("%w at step %s of %s, which is saved; go on with:\n  %s",
			err, format.Thousands(s.trainer.StepsTaken()), format.Thousands(s.options.Steps), resumeCommand(s.out))
	}
	if err != nil {
		return err
	}
	r, err := s.result()
	if err != nil {
		return err
	}
	after, err := s.ask()
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

// result evaluates the trained model and writes summary.json and the charts.
func (s *session) result() (*result, error) {
	trained, err := s.trainer.Evaluate(s.lessons.sample)
	if err != nil {
		return nil, err
	}
	heldOut, err := s.trainer.Evaluate(s.trainer.HeldOut)
	if err != nil {
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
