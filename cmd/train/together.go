package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"trainer/internal/collective"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/mpi"
	"trainer/internal/vm"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// One of several processes that mpirun has started: rank 0 has the run folder and the screen, the others do the same work without. What can
// go wrong on one of them is agreed on by all (collective.Agree, collective.Lead) until the training begins; later an error of one ends all.

// leads says that this process keeps the run and tells about it.
func (s *session) leads() bool { return s.group.Rank() == 0 }

// join connects this process with the others of its launcher.
func (s *session) join() error {
	if s.rankTimeout < 1 {
		return fault.Usagef("-rank-timeout %d: expected at least 1 second", s.rankTimeout)
	}
	var err error
	s.group, err = mpi.Join(mpi.Options{Timeout: time.Duration(s.rankTimeout) * time.Second, Lost: func(err error) {
		fmt.Fprintf(os.Stderr, "%s: %v; the last checkpoint is whole, go on with -resume\n", s.flags.Name(), err)
	}})
	if err != nil {
		return err
	}
	s.processes = s.group.Size()
	if s.processes == 1 {
		return nil
	}
	if !s.leads() {
		s.view = silentView{}
	}
	return s.shareCores()
}

// shareCores divides the cores of a machine among the processes that may use the same ones.
func (s *session) shareCores() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, allowed, _ := strings.Cut(string(status), "\nCpus_allowed:")
	allowed, _, _ = strings.Cut(allowed, "\n")
	mine := host + allowed
	list, err := collective.Exchange(s.group, []byte(mine))
	if err != nil {
		return err
	}
	sharing := 0
	for _, other := range list {
		if string(other) == mine {
			sharing++
		}
	}
	s.cores = max(1, s.cores/sharing)
	return nil
}

// leave ends this process's part with an error or without, and returns it. An error that the others do not know of ends them too.
func (s *session) leave(err error) error {
	if s.group.Size() == 1 {
		return err
	}
	known := err == nil || errors.Is(err, fault.ErrInterrupted) || errors.As(err, new(*collective.Agreed)) || errors.As(err, new(*train.NonFiniteError))
	if known {
		return errors.Join(err, s.group.Close())
	}
	fmt.Fprintf(os.Stderr, "%s: rank %d of %d: %v\n", s.flags.Name(), s.group.Rank(), s.group.Size(), err)
	s.group.Abort(fault.ExitCode(err))
	return err
}

// own are the flags that may differ between processes that train together: where things are, whose content is compared, and what only rank 0
// does.
var own = []string{"data", "eval-data", "init-from", "tokenizer", "threads", "out", "overwrite", "config", "quiet", "json", "http", "tensorboard",
	"cpuprofile", "memprofile", "rank-timeout", "keep"}

// compare holds that all processes are of one program and have the same flags. It comes ahead of all else that they do together.
func (s *session) compare() error {
	if s.group.Size() == 1 {
		return nil
	}
	program, err := hashOfProgram()
	if err := collective.Agree(s.group, err); err != nil {
		return err
	}
	facts := []collective.Fact{{Name: "the program's hash", Value: program, Class: fault.ExitUsage}}
	values := s.flags.Values()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if slices.Contains(own, name) {
			continue
		}
		value := "not given"
		if s.flags.Given(name) {
			value = values[name]
		}
		facts = append(facts, collective.Fact{Name: "-" + name, Value: value, Class: fault.ExitUsage})
	}
	return collective.Same(s.group, facts)
}

// hashOfProgram is of the file that runs.
func hashOfProgram() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// compareTrainers holds that all processes have come to the same data, tokenizer and weights.
func (s *session) compareTrainers() error {
	if s.group.Size() == 1 {
		return nil
	}
	return collective.Same(s.group, s.trainer.Facts())
}

// inTurns has all processes do something that leaves files which the next one finds: first rank 0, then the first rank of every other machine,
// which may not see them, then the rest.
func (s *session) inTurns(do func() error) error {
	host, err := os.Hostname()
	hosts, failed := collective.Exchange(s.group, []byte(host))
	if failed != nil {
		return failed
	}
	mine := 2
	switch first := slices.IndexFunc(hosts, func(h []byte) bool { return string(h) == host }); {
	case s.leads():
		mine = 0
	case first == s.group.Rank():
		mine = 1
	}
	for turn := range 3 {
		if turn == mine && err == nil {
			err = do()
		}
		if err := collective.Agree(s.group, err); err != nil {
			return err
		}
	}
	return nil
}

// loadModel loads a model with its tokenizer. In a group rank 0 does, and gives them to the others.
func (s *session) loadModel(load func() (*model.Model, tokenizer.Tokenizer, error)) (*model.Model, tokenizer.Tokenizer, error) {
	var m *model.Model
	var t tokenizer.Tokenizer
	text, err := collective.Lead(s.group, func() (_ []byte, err error) {
		if m, t, err = load(); err != nil {
			return nil, err
		}
		return must(json.Marshal(description{m.Config.Marshal(), t.JSON()})), nil
	})
	if err != nil {
		return nil, nil, err
	}
	if s.leads() {
		return m, t, collective.Spread(s.group, vm.Bytes(m.Weights))
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, nil, err
	}
	c, err := model.ParseConfig(d.Config, model.ConfigFile)
	if err != nil {
		return nil, nil, err
	}
	if t, err = tokenizer.Parse(d.Tokenizer, tokenizer.FileName); err != nil {
		return nil, nil, err
	}
	if m, err = model.New(c, 0); err != nil {
		return nil, nil, err
	}
	return m, t, collective.Spread(s.group, vm.Bytes(m.Weights))
}

// description is a model without its weights.
type description struct{ Config, Tokenizer []byte }

// must returns data whose encoding cannot fail.
func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

// chooseDevice chooses what the model runs on: processes that train together do it on CPUs.
func (s *session) chooseDevice() (device.Choice, error) {
	if n := s.group.Size(); n > 1 && s.arguments.device == "auto" {
		return device.Choice{Name: device.CPU, Reason: fmt.Sprintf("%d processes train together on CPUs", n)}, nil
	}
	return device.Choose(s.arguments.device, memoryOnGPU(s.config))
}

// asked are the answers of the model as it is, which rank 0 wants.
func (s *session) asked() ([]answer, error) {
	if !s.leads() {
		return nil, nil
	}
	return s.ask()
}

// silentView is that of ranks behind 0.
type silentView struct{ quietView }

func (silentView) after([]answer, *result) {}
