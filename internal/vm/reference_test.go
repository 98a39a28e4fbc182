package vm_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
	"trainer/internal/vm"
	"trainer/internal/vm/vmtest"
)

// referenceBackend runs programs with the reference of each op. Its memory is out of the host's reach, like a device's.
type referenceBackend struct{ adopted []adopted }

// adopted is host memory and its copy.
type adopted struct {
	host   []byte
	device deviceMemory
}

func (*referenceBackend) Device() string { return "reference" }
func (*referenceBackend) Allocate(size int) (vm.Memory, error) {
	return newMemory(make([]byte, size)), nil
}
func (*referenceBackend) Close() error { return nil }

func (b *referenceBackend) Adopt(host []byte) (vm.Memory, error) {
	if len(host) == 0 {
		return newMemory(nil), nil
	}
	for _, a := range b.adopted {
		for at := range a.host {
			if &a.host[at] == &host[0] {
				return a.device.Slice(at, len(host)), nil
			}
		}
	}
	b.adopted = append(b.adopted, adopted{host, newMemory(bytes.Clone(host))})
	return b.adopted[len(b.adopted)-1].device, nil
}

func (*referenceBackend) Bind(p *vm.Program, memory []vm.Memory) (vm.Executable, error) {
	return &referenceProgram{p, memory}, nil
}

// deviceMemory is memory that cannot be used after it was freed.
type deviceMemory struct {
	bytes []byte
	freed *bool
}

func newMemory(b []byte) deviceMemory { return deviceMemory{b, new(bool)} }

func (m deviceMemory) Size() int { return len(m.bytes) }
func (m deviceMemory) Slice(offset, size int) vm.Memory {
	return deviceMemory{m.bytes[:len(m.bytes):len(m.bytes)][offset : offset+size : offset+size], m.freed}
}
func (m deviceMemory) Write(host []byte) error { return m.transfer(m.bytes, host) }
func (m deviceMemory) Read(host []byte) error  { return m.transfer(host, m.bytes) }
func (m deviceMemory) Host() []byte            { return nil }

func (m deviceMemory) Free() error {
	*m.freed = true
	return nil
}

func (m deviceMemory) transfer(dst, src []byte) error {
	if n := max(len(dst), len(src)); n > len(m.bytes) {
		return fmt.Errorf("%d bytes for a block of %d", n, len(m.bytes))
	}
	if *m.freed {
		return errors.New("the memory was freed")
	}
	copy(dst, src)
	return nil
}

type referenceProgram struct {
	program *vm.Program
	memory  []vm.Memory
}

func (p *referenceProgram) Run() error {
	for i := range p.program.Instructions {
		if err := p.Step(i); err != nil {
			return err
		}
	}
	return nil
}

func (p *referenceProgram) Close() error { return nil }

func (p *referenceProgram) Step(i int) error {
	in := p.program.Instructions[i]
	kernel := in.Kernel.(op.Kernel)
	var values []gorgonia.Value
	var shapes []tensor.Shape
	for _, v := range in.In {
		shape := p.program.Values[v].Shape
		data := make([]byte, p.memory[v].Size())
		if err := p.memory[v].Read(data); err != nil {
			return err
		}
		backing := tensor.WithBacking(vm.Float32s(data))
		if p.program.Values[v].Type == vm.Int32 {
			backing = tensor.WithBacking(vm.Int32s(data))
		}
		values = append(values, tensor.New(tensor.WithShape(shape...), backing))
		shapes = append(shapes, shape)
	}
	result, err := op.Op{Kernel: kernel}.Do(values...)
	if err != nil {
		return err
	}
	data, ok := result.Data().([]float32)
	if !ok {
		data = []float32{result.Data().(float32)}
	}
	parts := op.Results(kernel, shapes)
	if parts == nil {
		parts = []op.Part{{Rows: len(data)}}
	}
	for j, part := range parts {
		if err := p.memory[in.Out[j]].Write(vm.Bytes(data[part.Offset : part.Offset+part.Shape().TotalSize()])); err != nil {
			return err
		}
	}
	return nil
}

// countingBackend counts the blocks that are allocated and not freed.
type countingBackend struct {
	referenceBackend
	live int
}

type countedMemory struct {
	vm.Memory
	backend *countingBackend
}

func (b *countingBackend) Allocate(size int) (vm.Memory, error) {
	m, err := b.referenceBackend.Allocate(size)
	b.live++
	return countedMemory{m, b}, err
}

func (m countedMemory) Free() error {
	m.backend.live--
	return m.Memory.Free()
}

func TestCloseFreesTheInputsAndKeepsTheWorkspace(t *testing.T) {
	b := &countingBackend{}
	w := vm.NewWorkspace(b)
	for range 3 {
		p, err := vm.Compile(vmtest.NewTransformer(1, 4, 2).Outputs()...)
		if err != nil {
			t.Fatal(err)
		}
		m, err := vm.New(p, w)
		if err != nil {
			t.Fatal(err)
		}
		const workspace = 2 // the arena and the outputs
		if b.live <= workspace {
			t.Fatalf("%d blocks with a VM: the test needs inputs", b.live)
		}
		if err := m.Close(); err != nil || b.live != workspace {
			t.Errorf("%d blocks are left and error %v, want %d and none", b.live, err, workspace)
		}
	}
}

func TestReferenceBackendConforms(t *testing.T) {
	vmtest.RunAll(t, func(*testing.T) vm.Backend { return &referenceBackend{} })
}
