package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"trainer/internal/collective"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/vm"
	"trainer/model"
	"trainer/tokenizer"
)

// One of several processes that a launcher has started: rank 0 has the run folder and the screen, the others do the same work without. What can
// go wrong on one of them is agreed on by all (collective.Agree, collective.Lead) until the training begins; later an error of one ends all.

// leads says that this process keeps the run and tells about it.
func (s *session) leads() bool { return s.group.Rank() == 0 }

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

// chooseDevice chooses what the model runs on. Of processes that train together each takes a GPU of its own where GPUs are asked for.
func (s *session) chooseDevice() (device.Choice, error) {
	name := s.arguments.device
	if n := s.group.Size(); n > 1 {
		switch name {
		case "auto":
			return device.Choice{Name: device.CPU, Reason: fmt.Sprintf("%d processes train together on CPUs; -device=cuda gives each a GPU", n)}, nil
		case device.CUDA:
			name = fmt.Sprintf("%s:%d", device.CUDA, s.localRank)
		}
	}
	return device.Choose(name, memoryOnGPU(s.config))
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
