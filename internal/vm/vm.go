package vm

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// VM runs a program on a backend. It is a gorgonia.VM: after RunAll, the gradient of a parameter is where param.Grad() finds it.
type VM struct {
	program   *Program
	plan      *Plan
	workspace *Workspace
	inputs    []Memory // by value, nil for what lives in the workspace
	own       []Memory // of inputs, what was allocated for this VM alone

	// What depends on the blocks of the workspace, and which blocks these were.
	memory    []Memory // by value, nil for what is nowhere
	outputs   Memory
	exec      Executable
	blocks    int
	bindNodes bool // BindOutputs was called
	watch     watch
}

// watch is what Watch was given.
type watch struct {
	after  []int
	passed func(i int)
}

var _ gorgonia.VM = (*VM)(nil)

// State is an input with the memory that it is to have: of the caller, who frees it behind the last VM that has it. VMs that are given
// the same memory find there what another has left.
type State struct {
	Node   *gorgonia.Node
	Memory Memory
}

// New binds a program, in the form that the workspace's backend gives it, to memory. Inputs that are bound to a value share its memory
// where the device can, those in states have the memory given. The error says which memory the device has not got, or which kernel.
func New(p *Program, w *Workspace, states ...State) (*VM, error) {
	if r, ok := w.backend.(Rewriter); ok {
		p = r.Rewrite(p)
	}
	m := &VM{program: p, plan: NewPlan(p), workspace: w, inputs: make([]Memory, len(p.Values))}
	for _, s := range states {
		i := p.Index(s.Node)
		if i < 0 || p.Values[i].Place != Input || p.Values[i].Size() != s.Memory.Size() {
			panic(fmt.Sprintf("vm: %d bytes as the memory of %v of shape %v: expected an input of that size", s.Memory.Size(), s.Node, s.Node.Shape()))
		}
		m.inputs[i] = s.Memory
	}
	for i := range p.Values {
		v := &p.Values[i]
		if v.Place != Input && v.Place != Constant || m.inputs[i] != nil {
			continue
		}
		var err error
		if m.inputs[i], err = m.input(v); err != nil {
			return nil, errors.Join(fmt.Errorf("input %v: %w", v.Node, err), m.Close())
		}
	}
	if err := m.bind(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// input returns the memory of an input or constant.
func (m *VM) input(v *Value) (Memory, error) {
	b := m.workspace.backend
	bound := v.Node.Value()
	if bound == nil {
		return m.allocate(v.Size())
	}
	if v.Place == Constant {
		one, ok := bound.Data().(float32)
		if !ok {
			return nil, fmt.Errorf("constant %v is not a float32 scalar", bound)
		}
		memory, err := m.allocate(v.Size())
		if err != nil {
			return nil, err
		}
		return memory, memory.Write(Bytes([]float32{one}))
	}
	switch data := bound.Data().(type) {
	case []float32:
		if v.Type == BFloat16 {
			return b.(Rewriter).Narrow(Bytes(data), v)
		}
		return b.Adopt(Bytes(data))
	case []int32:
		return b.Adopt(Bytes(data))
	default:
		return nil, fmt.Errorf("bound to a %T, expected []float32 or []int32", bound.Data())
	}
}

// allocate returns memory that Close frees.
func (m *VM) allocate(size int) (Memory, error) {
	memory, err := m.workspace.backend.Allocate(size)
	if err == nil {
		m.own = append(m.own, memory)
	}
	return memory, err
}

// bind has the backend prepare the program on the present blocks of the workspace.
func (m *VM) bind() error {
	if err := m.release(); err != nil {
		return err
	}
	p := m.program
	arena, outputs, err := m.workspace.reserve(m.plan)
	if err != nil {
		return err
	}
	m.outputs, m.memory = outputs, make([]Memory, len(p.Values))
	for i := range p.Values {
		v := &p.Values[i]
		switch v.Place {
		case Arena:
			m.memory[i] = arena.Slice(m.plan.Offset[i], v.Size())
		case Output:
			m.memory[i] = outputs.Slice(m.plan.Offset[i], v.Size())
		case Input, Constant:
			m.memory[i] = m.inputs[i]
		case Updated:
			m.memory[i] = m.inputs[v.State]
		}
	}
	if m.exec, err = m.workspace.backend.Bind(p, m.memory); err != nil {
		return err
	}
	m.blocks = m.workspace.blocks
	if err := m.rewatch(); err != nil {
		return err
	}
	if m.bindNodes {
		return m.BindOutputs()
	}
	return nil
}

// renew binds anew if another VM of the workspace has needed larger blocks.
func (m *VM) renew() error {
	if m.exec != nil && m.blocks == m.workspace.blocks {
		return nil
	}
	return m.bind()
}

// release closes what bind made.
func (m *VM) release() error {
	if m.exec == nil {
		return nil
	}
	exec := m.exec
	m.exec = nil
	return exec.Close()
}

// Program returns what the VM runs: what New was given, or what the backend made of it.
func (m *VM) Program() *Program { return m.program }

// Plan returns where the values of the program live.
func (m *VM) Plan() *Plan { return m.plan }

// RunAll runs the program once: it queues the run on a device that works by itself, where Memory.Read waits for what was queued before.
func (m *VM) RunAll() error {
	if err := m.renew(); err != nil {
		return err
	}
	return m.exec.Run()
}

// Step runs instruction i of Program alone and waits for its end.
func (m *VM) Step(i int) error {
	if err := m.renew(); err != nil {
		return err
	}
	return m.exec.Step(i)
}

// Watch has passed called with i in each later RunAll, when instruction after[i] of Program and all before it have been done, such as those
// behind which outputs are final (see Program.Writers). What follows waits for it. The error says that the device cannot tell.
func (m *VM) Watch(after []int, passed func(i int)) error {
	m.watch = watch{after, passed}
	return m.rewatch()
}

// rewatch tells the executable what is watched.
func (m *VM) rewatch() error {
	if m.watch.passed == nil {
		return nil
	}
	w, ok := m.exec.(Watcher)
	if !ok {
		return fmt.Errorf("%s does not tell how far a program has come", m.workspace.backend.Device())
	}
	w.Watch(m.watch.after, m.watch.passed)
	return nil
}

// Reset does nothing: what a run leaves behind, its outputs and updated inputs, is there to stay.
func (m *VM) Reset() {}

// Close frees the memory of the inputs that are not bound to a value. The workspace keeps the rest for its other VMs.
func (m *VM) Close() error {
	err := m.release()
	for _, memory := range m.own {
		err = errors.Join(err, memory.Free())
	}
	m.own = nil
	return err
}

// Memory returns the memory of a node's value, which must be an input or an output of the program. That of an input stays the same; that
// of an output is the latest run's, and to be asked for again behind the next.
func (m *VM) Memory(n *gorgonia.Node) Memory {
	i := m.program.Index(n)
	if i < 0 || m.program.Values[i].Place == Arena {
		panic(fmt.Sprintf("vm: %v is neither an input nor an output of the program", n))
	}
	return m.memory[i]
}

// Outputs returns the output region of the latest run: all outputs in the order that was given to Compile, each aligned to Alignment.
func (m *VM) Outputs() Memory { return m.outputs }

// Value returns the memory of value i of the program, for a debugger that calls Step; a value in the arena is there only
// until its memory is used again.
func (m *VM) Value(i int) Memory { return m.memory[i] }

// Floats reads value i of the program, of float32 or bfloat16, row by row without gaps. It is for a debugger, see Value.
func (m *VM) Floats(i int) ([]float32, error) {
	v := &m.program.Values[i]
	raw := make([]byte, v.Size())
	if err := m.memory[i].Read(raw); err != nil {
		return nil, err
	}
	switch v.Type {
	case Float32:
		return Float32s(raw), nil
	case BFloat16:
		return widen(raw, v), nil
	default:
		return nil, fmt.Errorf("value %d is %v, expected float32 or bfloat16", i, v)
	}
}

// widen turns bfloat16, the upper halves of float32, into float32 and leaves out what is between rows.
func widen(raw []byte, v *Value) []float32 {
	var floats []float32
	for row := range v.Rows() {
		for column := range v.Columns() {
			at := 2 * (row*v.Pitch() + column)
			floats = append(floats, math.Float32frombits(uint32(raw[at])<<16|uint32(raw[at+1])<<24))
		}
	}
	return floats
}

// BindOutputs binds each output node of the graph to the VM's memory, so that node.Value() and param.Grad() show the latest run
// and a gorgonia.Solver can work on them. The device's memory must be addressable by the host.
func (m *VM) BindOutputs() error {
	for _, i := range m.program.Outputs {
		v := &m.program.Values[i]
		host := m.memory[i].Host()
		if host == nil {
			return fmt.Errorf("output %v is in device memory that the host cannot address", v.Node)
		}
		var bound gorgonia.Value = tensor.New(tensor.WithShape(v.Shape...), tensor.WithBacking(Float32s(host)))
		if v.Shape.IsScalar() {
			bound = (*gorgonia.F32)(unsafe.Pointer(&host[0]))
		}
		if err := gorgonia.UnsafeLet(v.Node, bound); err != nil {
			return fmt.Errorf("output %v: %w", v.Node, err)
		}
	}
	m.bindNodes = true
	return nil
}
