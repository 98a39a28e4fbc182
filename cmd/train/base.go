package main

import (
	"slices"

	"trainer/internal/cli"
	"trainer/internal/fault"
	"trainer/model"
	"trainer/tokenizer"
	"trainer/train"
)

// architecture are the flags that are settled where a run begins with the weights of another model.
var architecture = []string{"architecture", "layers", "heads", "kv-heads", "d-model", "positions", "tied", "tokenizer"}

// checkBase returns a usage error for a flag that -init-from leaves no choice of.
func (a *arguments) checkBase(f *cli.Flags) error {
	for _, name := range architecture {
		if f.Given(name) {
			return fault.Usagef("-%s with -init-from %s: it is that of the model in the folder: leave the flag out", name, a.initFrom)
		}
	}
	return nil
}

// loadBase loads the model that -init-from names with its tokenizer, or the one of the checkpoint that has come of it. The configuration is
// then the model's, but for the context, which may be shorter.
func (s *session) loadBase() error {
	dir := s.out
	if s.state == nil {
		if err := s.checkBase(s.flags); err != nil {
			return err
		}
		dir = s.initFrom
	}
	var err error
	if s.base, s.tokenizer, err = s.loadModel(func() (*model.Model, tokenizer.Tokenizer, error) { return train.LoadModel(dir) }); err != nil {
		return err
	}
	context := s.base.Config.Context
	if s.flags.Given("context") {
		if s.config.Context > context {
			return fault.Usagef("-context %d: expected at most %d, the context of the model in %s", s.config.Context, context, dir)
		}
		context = s.config.Context
	}
	s.config, s.architecture, s.positions = s.base.Config, string(s.base.Config.Architecture), string(s.base.Config.Positions)
	s.config.Context = context
	return nil
}

// withoutArchitecture are the flags of a preset that say how to train.
func withoutArchitecture(preset map[string]string) map[string]string {
	training := make(map[string]string)
	for name, value := range preset {
		if name != "context" && !slices.Contains(architecture, name) {
			training[name] = value
		}
	}
	return training
}
