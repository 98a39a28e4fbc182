package vm

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Backend is a device that runs programs.
type Backend interface {
	// Device names the device for people: "CPU (AVX-512, 2 threads)".
	Device() string
	// Allocate returns zeroed memory of size bytes, aligned to Alignment.
	Allocate(size int) (Memory, error)
	// Adopt returns the device's memory for host memory that outlives it: the host memory itself where the device addresses it, else a copy.
	Adopt(host []byte) (Memory, error)
	// Bind prepares a program whose value i lives in memory[i].
	Bind(p *Program, memory []Memory) (Executable, error)
	// Close gives back what the backend holds.
	Close() error
}

// Memory is a block of a device's memory.
type Memory interface {
	Size() int                     // in bytes
	Slice(offset, size int) Memory // a part of it
	Write(host []byte) error       // copies host to the start of the block
	Read(host []byte) error        // copies the start of the block to host
	Host() []byte                  // the block itself where the host can address it, else nil
	Free() error
}

// Executable is a program bound to a device.
type Executable interface {
	// Run runs every instruction in order and waits for the end.
	Run() error
	// Step runs instruction i alone; a debugger's way through a program.
	Step(i int) error
}

// Workspace is the memory that the VMs of one worker share: programs for other batch shapes that run one after the other need only one
// arena and one output region. What a VM left in its outputs is gone when another VM of the workspace runs.
type Workspace struct {
	backend        Backend
	arena, outputs Memory
}

// NewWorkspace returns an empty workspace on a backend.
func NewWorkspace(b Backend) *Workspace { return &Workspace{backend: b} }

// reserve returns a block of at least size bytes. VMs made earlier keep the smaller one that they were bound to.
func (w *Workspace) reserve(block *Memory, size int) (Memory, error) {
	if *block == nil || (*block).Size() < size {
		m, err := w.backend.Allocate(size)
		if err != nil {
			return nil, err
		}
		*block = m
	}
	return (*block).Slice(0, size), nil
}

// VM runs a program on a backend. It is a gorgonia.VM: after RunAll, the gradient of a parameter is where param.Grad() finds it.
type VM struct {
	program *Program
	exec    Executable
	memory  []Memory // by value
	outputs Memory
	own     []Memory // of memory, what was allocated for this VM alone
}

var _ gorgonia.VM = (*VM)(nil)

// New binds a program to the workspace's backend. Inputs that are bound to a value share its memory where the device can.
func New(p *Program, w *Workspace) (*VM, error) {
	m := &VM{program: p, memory: make([]Memory, len(p.Values))}
	arena, err := w.reserve(&w.arena, p.ArenaSize)
	if err != nil {
		return nil, fmt.Errorf("arena of %d bytes: %w", p.ArenaSize, err)
	}
	if m.outputs, err = w.reserve(&w.outputs, p.OutputSize); err != nil {
		return nil, fmt.Errorf("outputs of %d bytes: %w", p.OutputSize, err)
	}
	for i := range p.Values {
		v := &p.Values[i]
		switch v.Place {
		case Arena:
			m.memory[i] = arena.Slice(v.Offset, v.Size())
		case Output:
			m.memory[i] = m.outputs.Slice(v.Offset, v.Size())
		default:
			if m.memory[i], err = m.input(w.backend, v); err != nil {
				return nil, fmt.Errorf("input %v: %w", v.Node, err)
			}
		}
	}
	if m.exec, err = w.backend.Bind(p, m.memory); err != nil {
		return nil, err
	}
	return m, nil
}

// input returns the memory of an input or constant.
func (m *VM) input(b Backend, v *Value) (Memory, error) {
	bound := v.Node.Value()
	if bound == nil {
		return m.allocate(b, v.Size())
	}
	if v.Place == Constant {
		one, ok := bound.Data().(float32)
		if !ok {
			return nil, fmt.Errorf("constant %v is not a float32 scalar", bound)
		}
		memory, err := m.allocate(b, v.Size())
		if err != nil {
			return nil, err
		}
		return memory, memory.Write(Bytes([]float32{one}))
	}
	switch data := bound.Data().(type) {
	case []float32:
		return b.Adopt(Bytes(data))
	case []int32:
		return b.Adopt(Bytes(data))
	default:
		return nil, fmt.Errorf("bound to a %T, expected []float32 or []int32", bound.Data())
	}
}

// allocate returns memory that Close frees.
func (m *VM) allocate(b Backend, size int) (Memory, error) {
	memory, err := b.Allocate(size)
	if err == nil {
		m.own = append(m.own, memory)
	}
	return memory, err
}

// Program returns what the VM runs.
func (m *VM) Program() *Program { return m.program }

// RunAll runs the program once and waits for its end.
func (m *VM) RunAll() error { return m.exec.Run() }

// Step runs instruction i alone.
func (m *VM) Step(i int) error { return m.exec.Step(i) }

// Reset does nothing: a run leaves no state behind but its outputs.
func (m *VM) Reset() {}

// Close frees the memory of the inputs that are not bound to a value. The workspace keeps the rest for its other VMs.
func (m *VM) Close() error {
	var err error
	for _, memory := range m.own {
		err = errors.Join(err, memory.Free())
	}
	m.own = nil
	return err
}

// Memory returns the memory of a node's value, which must be an input or an output of the program.
func (m *VM) Memory(n *gorgonia.Node) Memory {
	i := m.program.Index(n)
	if i < 0 || m.program.Values[i].Place == Arena {
		panic(fmt.Sprintf("vm: %v is neither an input nor an output of the program", n))
	}
	return m.memory[i]
}

// Outputs returns the output region: all outputs in the order that was given to Compile, each aligned to Alignment.
func (m *VM) Outputs() Memory { return m.outputs }

// Value returns the memory of value i of the program, for a debugger that calls Step; a value in the arena is there only
// until its memory is used again.
func (m *VM) Value(i int) Memory { return m.memory[i] }

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
	return nil
}

// AlignedBytes returns size zero bytes that start at a multiple of Alignment.
func AlignedBytes(size int) []byte {
	block := make([]byte, size+Alignment)
	skip := -int(uintptr(unsafe.Pointer(&block[0]))) & (Alignment - 1)
	return block[skip : skip+size : skip+size]
}

// AlignedFloat32s returns n zeros that start at a multiple of Alignment.
func AlignedFloat32s(n int) []float32 { return Float32s(AlignedBytes(n * elementSize)) }

// Float32s views memory as float32; its start is aligned.
func Float32s(b []byte) []float32 { return view[float32](b) }

// Int32s views memory as int32; its start is aligned.
func Int32s(b []byte) []int32 { return view[int32](b) }

func view[T float32 | int32](b []byte) []T {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/elementSize)
}

// Bytes views float32 or int32 as memory.
func Bytes[T float32 | int32](data []T) []byte {
	if len(data) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), len(data)*elementSize)
}
