package train

import (
	"encoding/json"
	"fmt"
	"io"

	"trainer/internal/safetensors"
	"trainer/internal/vm"
	"trainer/model"
	"trainer/tokenizer"
)

// snapshot is what a checkpoint holds, as of one step. It refers to the trainer's own memory, which the next step changes, or to a copy.
type snapshot struct {
	model     *model.Model
	tokenizer tokenizer.Tokenizer
	moments   []StateVector
	state     State
}

// snapshot brings weights and moments to the host and refers to them: in a group to rank 0, and that of other ranks has no moments. The
// arguments are those of the program.
func (t *Trainer) snapshot(arguments map[string]string) (*snapshot, error) {
	if err := t.engine.updater.fetch(); err != nil {
		return nil, err
	}
	moments, err := t.gather()
	if err != nil {
		return nil, err
	}
	return &snapshot{
		model: t.Model, tokenizer: t.Tokenizer, moments: moments,
		state: State{Step: t.step, Epoch: t.sampler.epoch, Next: t.sampler.next, Options: t.Options, Data: t.fingerprint(), Arguments: arguments},
	}, nil
}

// bytes is the size of the weights and moments.
func (s *snapshot) bytes() int { return 4 * len(s.model.Weights) * (1 + len(s.moments)) }

// checkFinite returns an error that names a weight which the last step has made NaN or infinite, a step before the loss would show it: such
// weights would replace a checkpoint that can be used.
func (s *snapshot) checkFinite() error {
	for i := range s.model.Parameters {
		p := &s.model.Parameters[i]
		if at := model.IndexNonFinite(p.Value); at >= 0 {
			return fmt.Errorf("element %d of %s has become %g: the last checkpoint is kept: try a lower -lr, a longer -warmup or -clip 1",
				at, p.Name, p.Value[at])
		}
	}
	return nil
}

// writeState writes the optimizer's state, a tensor a parameter, and the State.
func (s *snapshot) writeState(w io.Writer) error {
	text, err := json.Marshal(s.state)
	if err != nil {
		return err
	}
	var tensors []safetensors.Tensor
	for _, v := range s.moments {
		for i := range s.model.Parameters {
			p := &s.model.Parameters[i]
			tensors = append(tensors, safetensors.New(v.Name+"."+p.Name, v.Value[p.Begin:p.Begin+p.Size()], p.Shape...))
		}
	}
	return safetensors.Write(w, tensors, map[string]string{stateKey: string(text)})
}

// snapshotMemory is memory for the copy of a snapshot. It is taken once and used for one after the other.
type snapshotMemory struct{ weights, moments []float32 }

// copy returns a snapshot that no step changes. It overwrites the copy that was made before.
func (m *snapshotMemory) copy(s *snapshot) *snapshot {
	n := len(s.model.Weights)
	if m.weights == nil {
		m.weights, m.moments = vm.AlignedFloat32s(n), vm.AlignedFloat32s(n*len(s.moments))
	}
	copy(m.weights, s.model.Weights)
	c := *s
	c.model, c.moments = s.model.Over(m.weights), nil
	for i, v := range s.moments {
		value := m.moments[i*n : (i+1)*n]
		copy(value, v.Value)
		c.moments = append(c.moments, StateVector{v.Name, value})
	}
	return &c
}
