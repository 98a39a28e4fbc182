// Package vmtest is the conformance suite of backends: what passes RunAll trains the transformer. Every kernel of package op goes through
// a graph, Compile and a VM on the backend, and is compared with the float64 reference (op.Op.Do); a small transformer is
// compared with Gorgonia's own TapeMachine on the same graph.
//
// Start at RunAll. kernels.go lists the shapes and tolerances; Transformer, in transformer.go, also serves other tests as a
// graph of realistic structure.
package vmtest

import (
	"testing"

	"gorgonia.org/gorgonia"

	"trainer/internal/vm"
)

// RunAll tests the backends that open returns, which RunAll closes. Large cases are left out with -short.
func RunAll(t *testing.T, open func(t *testing.T) vm.Backend) { suite{open, !testing.Short()}.run(t) }

// RunSmall is RunAll without the large cases, for a backend that takes seconds for them. Every kind of shape is among the others.
func RunSmall(t *testing.T, open func(t *testing.T) vm.Backend) { suite{open, false}.run(t) }

func (s suite) run(t *testing.T) {
	t.Run("Kernels", s.kernels)
	t.Run("Memory", s.memory)
	t.Run("Transformer", s.transformer)
	t.Run("Inference", s.inference)
	t.Run("Repeatable", s.repeatable)
	t.Run("Steps", s.steps)
	t.Run("SharedWorkspace", s.sharedWorkspace)
	t.Run("State", s.state)
	t.Run("BoundInputs", s.boundInputs)
	t.Run("BoundOutputs", s.boundOutputs)
	t.Run("NoAllocation", s.noAllocation)
}

type suite struct {
	open  func(t *testing.T) vm.Backend
	large bool // with the large cases
}

// backend opens a backend that lasts for the test.
func (s suite) backend(t *testing.T) vm.Backend {
	b := s.open(t)
	if b.Device() == "" {
		t.Error("the backend does not name its device")
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("closing the backend: %v", err)
		}
	})
	return b
}

// compile compiles outputs and binds them to a workspace.
func compile(t *testing.T, w *vm.Workspace, outputs ...*gorgonia.Node) *vm.VM {
	t.Helper()
	p, err := vm.Compile(outputs...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := vm.New(p, w)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t *testing.T, m *vm.VM) {
	t.Helper()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
}

// read returns the value of an input or output of the program.
func read(t *testing.T, m *vm.VM, n *gorgonia.Node) []float32 {
	t.Helper()
	memory := m.Memory(n)
	host := make([]byte, memory.Size())
	if err := memory.Read(host); err != nil {
		t.Fatal(err)
	}
	return vm.Float32s(host)
}

// outputs returns the values of all outputs of the program.
func outputs(t *testing.T, m *vm.VM) [][]float32 {
	t.Helper()
	var all [][]float32
	for _, i := range m.Program().Outputs {
		all = append(all, read(t, m, m.Program().Values[i].Node))
	}
	return all
}
