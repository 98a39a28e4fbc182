package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"

	"trainer/internal/arithmetic"
	"trainer/internal/atomicfile"
	"trainer/internal/chart"
	"trainer/internal/cli"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/format"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
	"trainer/train/examples"
)

// session is one run of the program.
type session struct {
	*arguments
	flags     *cli.Flags
	device    device.Choice
	folder    *train.Folder
	state     *train.State // of the checkpoint to go on from, or nil
	replaced  bool         // a finished run is in the folder, and will be replaced
	tokenizer tokenizer.Tokenizer
	trained   []examples.Example // what is trained on
	heldOut   []examples.Example // and what is not
	trainer   *train.Trainer
	questions []question
	recent    recentLoss
	view      view
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
	s := &session{arguments: a, flags: flags}
	if a.data != "" && !flags.Given("out") {
		a.out = folderOf(a.data)
	}
	s.view = newView(a)
	if s.device, err = device.Choose(a.device); err != nil {
		return err
	}
	if a.resume {
		if err := s.openFolder(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.folder.Close()) }()
	}
	if err := a.settle(flags); err != nil {
		return err
	}
	if err := s.readExamples(); err != nil {
		return err
	}
	if !a.resume {
		if err := s.openFolder(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.folder.Close()) }()
	}
	if s.state != nil && s.state.Step >= a.options.Steps {
		s.view.note(fmt.Sprintf("The run in %s is finished: all %s steps are done. Ask it: %s", a.out, format.Thousands(s.state.Step), askCommand(a.out, "")))
		return nil
	}
	if err := s.prepare(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.trainer.Close()) }()
	stop, err := profile(a.cpuProfile)
	if err != nil {
		return err
	}
	err = s.run(ctx)
	stop()
	return errors.Join(err, memoryProfile(a.memoryProfile))
}

func folderOf(data string) string {
	base := filepath.Base(data)
	return filepath.Join("runs", base[:len(base)-len(filepath.Ext(base))])
}

// openFolder opens the run folder and decides what becomes of a run that it holds.
func (s *session) openFolder() error {
	var err error
	if s.folder, err = train.OpenFolder(s.out); err != nil {
		return err
	}
	state, err := s.folder.State()
	switch {
	case err != nil && s.overwrite:
		state = nil
	case err != nil:
		return errors.Join(err, s.folder.Close())
	}
	if s.resume {
		if state == nil {
			s.view.note(fmt.Sprintf("There is no checkpoint in %s to resume: starting at step 0.", s.out))
			return nil
		}
		s.state = state
		return s.flags.Restore(state.Arguments)
	}
	if state == nil || s.overwrite {
		return nil
	}
	if state.Step < state.Options.Steps {
		return errors.Join(fault.Usagef("%s holds an unfinished run, at step %s of %s: go on with it by -resume, replace it by -overwrite, or choose another folder by -out",
			s.out, format.Thousands(state.Step), format.Thousands(state.Options.Steps)), s.folder.Close())
	}
	s.replaced = true
	return nil
}

// readExamples reads or makes the examples, and the vocabulary of a new run.
func (s *session) readExamples() error {
	var err error
	if s.data == "" {
		s.tokenizer, err = tokenizer.NewWord(arithmetic.Words())
		if err != nil {
			return err
		}
		s.trained, s.heldOut = examples.Split(examples.Calculator(), s.arguments.heldOut, s.splitSeed)
	} else {
		list, err := examples.Read(s.data)
		if err != nil {
			return err
		}
		if s.tokenizer, err = tokenizer.BuildWord(examples.Texts(list)); err != nil {
			return err
		}
		s.trained = list
		if s.evalData == "" {
			s.trained, s.heldOut = examples.Split(list, s.arguments.heldOut, s.splitSeed)
		}
	}
	if s.evalData != "" {
		if s.heldOut, err = examples.Read(s.evalData); err != nil {
			return err
		}
	}
	if s.data != "" && !s.flags.Given("context") {
		s.config.Context = s.longest()
	}
	return nil
}

// longest is the number of tokens that the model has to read for the longest example.
func (s *session) longest() int {
	longest := 1
	for _, list := range [][]examples.Example{s.trained, s.heldOut} {
		for _, e := range list {
			if ids, err := s.tokenizer.Encode(e.Text()); err == nil {
				longest = max(longest, len(ids))
			}
		}
	}
	return longest
}

// prepare makes the trainer, new or from the checkpoint.
func (s *session) prepare() error {
	m, err := s.newModel()
	if err != nil {
		return err
	}
	trained, err := train.NewDataset(s.tokenizer, s.trained, s.config.Context)
	if err != nil {
		return err
	}
	heldOut, err := train.NewDataset(s.tokenizer, s.heldOut, s.config.Context)
	if err != nil {
		return err
	}
	if s.trainer, err = train.New(m, s.tokenizer, trained, heldOut, s.options); err != nil {
		return err
	}
	step := 0
	if s.state != nil {
		if err := s.folder.Resume(s.trainer, s.state); err != nil {
			return err
		}
		step = s.state.Step
	}
	seconds, err := s.folder.OpenMetrics(step)
	if err != nil {
		return err
	}
	s.trainer.AddSeconds(seconds)
	s.questions = s.chooseQuestions()
	return nil
}

// newModel makes the model, or loads it with its tokenizer.
func (s *session) newModel() (*model.Model, error) {
	if s.state == nil {
		c := s.config
		c.VocabSize = s.tokenizer.VocabSize()
		c.EOS = int(s.tokenizer.EOS())
		if pad, ok := s.tokenizer.ID(tokenizer.PadToken); ok {
			c.PAD = int(pad)
		}
		m, err := model.New(c, s.options.Seed)
		if err != nil {
			return nil, fault.Usagef("%w", err)
		}
		s.config = m.Config
		return m, nil
	}
	var err error
	if s.tokenizer, err = tokenizer.Load(s.folder.Path(tokenizer.FileName)); err != nil {
		return nil, err
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
	plan := train.Plan{Folder: s.folder, Arguments: runArguments(s.flags), EvaluateEvery: s.evaluateEvery, SaveEvery: s.saveEvery,
		TargetAccuracy: s.target, StopAfter: s.stopAfter}
	err = s.trainer.Run(ctx, plan, s)
	s.view.stop()
	if errors.Is(err, fault.ErrInterrupted) {
		return fmt.Errorf("%w at step %s: everything is saved in %s; go on with: %s", err, format.Thousands(s.trainer.StepsTaken()), s.out, resumeCommand(s.arguments))
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
	return nil
}

// The session watches the run for the result, and hands on to the view.

func (s *session) Stepped(m *train.Metrics) {
	s.recent.add(m.Loss)
	s.view.Stepped(m)
}
func (s *session) Followed(f *train.Followed)              { s.view.Followed(f) }
func (s *session) Evaluated(step int, e *train.Evaluation) { s.view.Evaluated(step, e) }
func (s *session) Saved(step int)                          { s.view.Saved(step) }

// result evaluates the trained model and writes summary.json and the charts.
func (s *session) result() (*result, error) {
	trained, err := s.trainer.Evaluate(s.trainer.Train)
	if err != nil {
		return nil, err
	}
	heldOut, err := s.trainer.Evaluate(s.trainer.HeldOut)
	if err != nil {
		return nil, err
	}
	r := newResult(s, trained, heldOut)
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

// profile starts a CPU profile and returns how to end it.
func profile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fault.Usagef("-cpuprofile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, pprof.StartCPUProfile(f)
}

func memoryProfile(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return fault.Usagef("-memprofile: %w", err)
	}
	runtime.GC()
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
