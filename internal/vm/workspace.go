package vm

import "fmt"

// Workspace is the memory that the VMs of one worker share: programs for other batch shapes that run one after the other need only one
// arena and one output region. What a VM left in its outputs is gone when another VM of the workspace runs.
type Workspace struct {
	backend        Backend
	arena, outputs Memory
	blocks         int // counts what was put in the place of arena or outputs; VMs that were bound before bind anew
}

// NewWorkspace returns an empty workspace on a backend.
func NewWorkspace(b Backend) *Workspace { return &Workspace{backend: b} }

// reserve returns an arena and an output region as large as planned.
func (w *Workspace) reserve(p *Plan) (arena, outputs Memory, err error) {
	if err := w.grow(&w.arena, p.ArenaSize); err != nil {
		return nil, nil, fmt.Errorf("activations and their gradients, %d bytes: %w", p.ArenaSize, err)
	}
	if err := w.grow(&w.outputs, p.OutputSize); err != nil {
		return nil, nil, fmt.Errorf("outputs and gradients of the weights, %d bytes: %w", p.OutputSize, err)
	}
	return w.arena.Slice(0, p.ArenaSize), w.outputs.Slice(0, p.OutputSize), nil
}

// grow makes a block at least size bytes long. The old one goes first: a device need not hold both.
func (w *Workspace) grow(block *Memory, size int) error {
	if *block != nil && (*block).Size() >= size {
		return nil
	}
	w.blocks++
	if old := *block; old != nil {
		*block = nil
		if err := old.Free(); err != nil {
			return err
		}
	}
	larger, err := w.backend.Allocate(size)
	if err != nil {
		return err
	}
	*block = larger
	return nil
}
