package vm_test

import (
	"reflect"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"

	"trainer/internal/op"
	"trainer/internal/vm"
	"trainer/internal/vm/vmtest"
)

func TestRecomputationLeavesOnlyWhatIsKeptToTheBackwardPass(t *testing.T) {
	m := vmtest.NewTransformer(3, 7, 2, 12)
	p := compile(t, m.Outputs()...)
	kept := make(map[int]bool)
	for _, n := range m.Residual {
		kept[p.Index(n)] = true
	}
	r := vm.Recompute(p, m.Residual...)
	last := writer(r, m.Residual[3])
	forward := make(map[int]bool)
	for _, in := range r.Instructions[:last+1] {
		for _, v := range in.Out {
			forward[v] = true
		}
	}
	for i, in := range r.Instructions[last+1:] {
		for _, v := range in.In {
			if forward[v] && !kept[v] {
				t.Errorf("instruction %d, %#v, reads value %d of the forward pass, which is not kept", last+1+i, in.Kernel, v)
			}
		}
	}
}

// Of a block that is all but the projection to the residual stream and the sum with it.
func TestNoMoreIsRecomputedThanGradientsNeed(t *testing.T) {
	m := vmtest.NewTransformer(3, 7, 2, 12)
	p := compile(t, m.Outputs()...)
	r := vm.Recompute(p, m.Residual...)
	counts := func(p *vm.Program) map[op.Kernel]int {
		n := make(map[op.Kernel]int)
		for _, in := range p.Instructions {
			n[in.Kernel.(op.Kernel)]++
		}
		return n
	}
	want := counts(p)
	for _, in := range p.Instructions[:writer(p, m.Residual[3])+1] {
		if _, ok := in.Kernel.(op.Gather); !ok { // the gradient of an embedding needs the tokens alone
			want[in.Kernel.(op.Kernel)]++
		}
	}
	want[op.MatMul{Bias: true}] -= 3
	want[op.Add{}] -= 3 + 1 // behind each block, and of the embeddings
	if got := counts(r); !reflect.DeepEqual(got, want) {
		t.Errorf("the program has the kernels\n%v, expected\n%v", got, want)
	}
}

// writer is the instruction that computes a node.
func writer(p *vm.Program, n *gorgonia.Node) int {
	return slices.IndexFunc(p.Instructions, func(in vm.Instruction) bool { return slices.Contains(in.Out, p.Index(n)) })
}

func TestRecomputationShrinksTheArenaAndLeavesTheProgramAsItWas(t *testing.T) {
	m := vmtest.NewTransformer(3, 7, 2, 12)
	p, same := compile(t, m.Outputs()...), compile(t, m.Outputs()...)
	before, after := vm.NewPlan(p).ArenaSize, vm.NewPlan(vm.Recompute(p, m.Residual...)).ArenaSize
	if 3*after > 2*before {
		t.Errorf("the arena has %d bytes with recomputation and %d without, expected two thirds at most", after, before)
	}
	if !reflect.DeepEqual(p, same) {
		t.Error("the program that was given has changed")
	}
}

func TestANodeThatTheProgramDoesNotComputeCannotBeKept(t *testing.T) {
	m := vmtest.NewTransformer(1, 3)
	defer func() {
		if recover() == nil {
			t.Error("a node of another program is kept")
		}
	}()
	vm.Recompute(compile(t, m.Logits), m.Loss)
}
