package floor

import (
	"path/filepath"
	"slices"

	"trainer/internal/findings"
	"trainer/internal/floor/api"
	"trainer/train"
)

// largestRehearsal is the number of weights up to which a prompt is followed through a step of its own: the optimizer's state is read for it,
// 8 bytes a weight.
const largestRehearsal = 32 << 20

// follow follows a prompt through the model of a step. Where the right token behind it is known, that goes as far as the update: what a step on
// it alone would do, with the optimizer as the checkpoint left it.
func (s *shelf) follow(o *opened, p *findings.Prompt) (*api.Trace, error) {
	trace, err := findings.Trace(o.executor, o.tokenizer, p, o.step)
	if err != nil || p.Target == nil || len(o.model.Weights) > largestRehearsal {
		return trace, err
	}
	dir := s.dir
	if steps, err := train.KeptSteps(s.dir); err == nil && slices.Contains(steps, o.step) {
		dir = train.KeptPath(s.dir, o.step)
	}
	state, err := train.ReadState(filepath.Join(dir, train.StateFile))
	if err != nil || state == nil || state.Step != o.step { // a model of others, or weights made again from the seed
		return trace, err
	}
	f, err := train.Rehearse(dir, p.Text, p.IDs, p.Target.ID)
	if err != nil {
		return nil, err
	}
	trace.Weight = weightStep(f, state.Options.Optimizer)
	return trace, nil
}
