package vm_test

import (
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"trainer/internal/op"
	"trainer/internal/vm"
	"trainer/internal/vm/vmtest"
)

// A GPU would run out of memory by arenas that programs have outgrown.
func TestALargerProgramTakesThePlaceOfTheOldBlocks(t *testing.T) {
	b := &countingBackend{}
	w := vm.NewWorkspace(b)
	var machines []*vm.VM
	for _, length := range []int{3, 9, 30} {
		m, err := vm.New(compile(t, vmtest.NewTransformer(1, length).Outputs()...), w)
		if err != nil {
			t.Fatal(err)
		}
		machines = append(machines, m)
	}
	inputs := 0
	for _, m := range machines {
		for _, v := range m.Program().Values {
			if v.Place == vm.Constant {
				inputs++
			}
		}
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
	}
	if want := 2 + inputs; b.live != want {
		t.Errorf("%d blocks are held, expected %d: an arena, outputs and %d constants", b.live, want, inputs)
	}
}

// rewriter keeps the activations of GELU in bfloat16 and asks for scratch memory with each product.
type rewriter struct{ *referenceBackend }

func (rewriter) Rewrite(p *vm.Program) *vm.Program {
	q := &vm.Program{Values: slices.Clone(p.Values), Instructions: slices.Clone(p.Instructions), Outputs: p.Outputs}
	for i := range q.Instructions {
		switch in := &q.Instructions[i]; in.Kernel.(type) {
		case op.GELU:
			q.Values[in.Out[0]].Type = vm.BFloat16
		case op.MatMul:
			in.Scratch = []int{len(q.Values)}
			q.Values = append(q.Values, vm.Value{Shape: tensor.Shape{100}, Place: vm.Arena})
		}
	}
	return q
}

func (b rewriter) Narrow([]byte, *vm.Value) (vm.Memory, error) { panic("no weights are narrowed") }

func TestARewriterChangesWhatRunsAndNotWhatWasCompiled(t *testing.T) {
	p := compile(t, vmtest.NewTransformer(1, 5).Outputs()...)
	before := p.String()
	m, err := vm.New(p, vm.NewWorkspace(rewriter{&referenceBackend{}}))
	if err != nil {
		t.Fatal(err)
	}
	if p.String() != before {
		t.Errorf("rewriting changed the compiled program to\n%v", p)
	}
	q, plan := m.Program(), m.Plan()
	for i, in := range q.Instructions {
		for _, s := range in.Scratch {
			for _, v := range slices.Concat(in.In, in.Out) {
				if overlap(q, plan, s, v) {
					t.Errorf("the scratch of instruction %d overlaps value %d", i, v)
				}
			}
		}
		if _, ok := in.Kernel.(op.GELU); ok && q.Values[in.Out[0]].Type != vm.BFloat16 {
			t.Errorf("instruction %d is not the rewritten one", i)
		}
	}
}

func TestRowsOfBFloat16BeginAtMultiplesOf16Bytes(t *testing.T) {
	for _, c := range []struct {
		shape tensor.Shape
		pitch int
		size  int
	}{
		{tensor.Shape{3, 5}, 8, 48}, {tensor.Shape{3, 8}, 8, 48}, {tensor.Shape{2, 9}, 16, 64}, {tensor.Shape{9}, 16, 32}, {tensor.Shape{0, 5}, 8, 0},
	} {
		v := vm.Value{Shape: c.shape, Type: vm.BFloat16}
		if v.Pitch() != c.pitch || v.Size() != c.size {
			t.Errorf("%v in bfloat16 has a pitch of %d and %d bytes, expected %d and %d", c.shape, v.Pitch(), v.Size(), c.pitch, c.size)
		}
	}
	if v := (vm.Value{Shape: tensor.Shape{3, 5}}); v.Pitch() != 5 || v.Size() != 60 {
		t.Errorf("3 x 5 in float32 has a pitch of %d and %d bytes, expected 5 and 60", v.Pitch(), v.Size())
	}
}
