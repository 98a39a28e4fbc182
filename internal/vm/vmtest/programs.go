package vmtest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
	"trainer/internal/vm"
)

// transformer compares the loss, the hits and every gradient with Gorgonia's TapeMachine on the same graph.
func (s suite) transformer(t *testing.T) {
	b := s.backend(t)
	for _, blocks := range []int{1, 2} {
		t.Run(fmt.Sprint(blocks, " blocks"), func(t *testing.T) {
			model := NewTransformer(blocks, 7, 1, 13)
			m := compile(t, vm.NewWorkspace(b), model.Outputs()...)
			run(t, m)
			tape := gorgonia.NewTapeMachine(model.Loss.Graph())
			defer tape.Close()
			if err := tape.RunAll(); err != nil {
				t.Fatal(err)
			}
			for _, n := range model.Outputs() {
				compareWithTape(t, n, read(t, m, n))
			}
		})
	}
}

// compareWithTape compares a node with what the TapeMachine left in it. Both round each of about 100 steps to float32, which
// moves the largest elements by about 100 roundings at most.
func compareWithTape(t *testing.T, n *gorgonia.Node, got []float32) {
	t.Helper()
	var want []float64
	switch data := n.Value().Data().(type) {
	case float32:
		want = []float64{float64(data)}
	case []float32:
		for _, x := range data {
			want = append(want, float64(x))
		}
	}
	limit := make([]float64, len(want))
	for i := range limit {
		limit[i] = 100 * unit * largestOf(want)
	}
	compare(t, fmt.Sprint(n), got, want, limit)
}

// inference asks for the logits alone: the same graph without its loss and gradients.
func (s suite) inference(t *testing.T) {
	model := NewTransformer(2, 5, 3)
	m := compile(t, vm.NewWorkspace(s.backend(t)), model.Logits)
	run(t, m)
	tape := gorgonia.NewTapeMachine(model.Loss.Graph())
	defer tape.Close()
	if err := tape.RunAll(); err != nil {
		t.Fatal(err)
	}
	compareWithTape(t, model.Logits, read(t, m, model.Logits))
}

// repeatable wants the same bits from a second run and from a second backend.
func (s suite) repeatable(t *testing.T) {
	model := NewTransformer(2, 7, 1, 13)
	m := compile(t, vm.NewWorkspace(s.backend(t)), model.Outputs()...)
	run(t, m)
	first := outputs(t, m)
	for range 3 {
		run(t, m)
		sameBits(t, "another run", outputs(t, m), first)
	}
	m = compile(t, vm.NewWorkspace(s.backend(t)), model.Outputs()...)
	run(t, m)
	sameBits(t, "another backend", outputs(t, m), first)
}

func sameBits(t *testing.T, what string, got, want [][]float32) {
	t.Helper()
	for i := range want {
		if !slices.EqualFunc(got[i], want[i], func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			t.Errorf("%s gives other bits in output %d", what, i)
		}
	}
}

// steps wants the bits of a run from single steps.
func (s suite) steps(t *testing.T) {
	model := NewTransformer(1, 4, 6)
	m := compile(t, vm.NewWorkspace(s.backend(t)), model.Outputs()...)
	run(t, m)
	want := outputs(t, m)
	poison(t, m)
	for i := range m.Program().Instructions {
		if err := m.Step(i); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	sameBits(t, "stepping", outputs(t, m), want)
}

// sharedWorkspace runs programs of three sizes by turns in one arena and one output region.
func (s suite) sharedWorkspace(t *testing.T) {
	b := s.backend(t)
	w := vm.NewWorkspace(b)
	var shared []*vm.VM
	var alone [][][]float32
	for _, length := range []int{5, 17, 3} {
		model := NewTransformer(1, length, 2)
		m := compile(t, vm.NewWorkspace(b), model.Outputs()...)
		run(t, m)
		alone = append(alone, outputs(t, m))
		shared = append(shared, compile(t, w, model.Outputs()...))
	}
	for _, i := range []int{0, 1, 2, 1, 0, 2, 0} {
		run(t, shared[i])
		sameBits(t, fmt.Sprintf("program %d in a shared workspace", i), outputs(t, shared[i]), alone[i])
	}
}

// boundInputs changes the value of a parameter: the next run sees it where the memory is the host's, and otherwise when it is written.
func (s suite) boundInputs(t *testing.T) {
	g := gorgonia.NewGraph()
	v := dense([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	x := gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(2, 3), gorgonia.WithName("x"), gorgonia.WithValue(v))
	y := apply(t, op.Add{}, x, x)
	m := compile(t, vm.NewWorkspace(s.backend(t)), y)
	run(t, m)
	if got := read(t, m, y); !slices.Equal(got, []float32{2, 4, 6, 8, 10, 12}) {
		t.Errorf("x + x is %v", got)
	}
	v.Float32s()[4] = -7
	if m.Memory(x).Host() == nil {
		write(t, m, x, v)
	}
	run(t, m)
	if got := read(t, m, y); !slices.Equal(got, []float32{2, 4, 6, 8, -14, 12}) {
		t.Errorf("x + x is %v after x[1, 1] became -7", got)
	}
}

// boundOutputs wants the loss and the gradients where a gorgonia.Solver looks for them, or an error where the host cannot look.
func (s suite) boundOutputs(t *testing.T) {
	model, w := NewTransformer(1, 4, 2), vm.NewWorkspace(s.backend(t))
	m := compile(t, w, model.Outputs()...)
	err := m.BindOutputs()
	if m.Memory(model.Loss).Host() == nil {
		if err == nil || !strings.Contains(err.Error(), "device memory") {
			t.Errorf("binding outputs in device memory: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	// A larger program takes the memory away; the nodes follow the next run.
	run(t, compile(t, w, NewTransformer(1, 20).Outputs()...))
	run(t, m)
	if loss := model.Loss.Value().Data().(float32); loss != read(t, m, model.Loss)[0] || loss == 0 {
		t.Errorf("the loss is %v in its node, %v in memory", loss, read(t, m, model.Loss))
	}
	for i, p := range model.Params {
		grad, err := p.Grad()
		if err != nil {
			t.Fatal(err)
		}
		if !grad.Shape().Eq(p.Shape()) || !slices.Equal(grad.Data().([]float32), read(t, m, model.Grads[i])) {
			t.Errorf("the gradient of %v is not that of the run", p)
		}
	}
}

// noAllocation wants a steady step without garbage, where the host runs the kernels.
func (s suite) noAllocation(t *testing.T) {
	model := NewTransformer(1, 4, 2)
	m := compile(t, vm.NewWorkspace(s.backend(t)), model.Outputs()...)
	if m.Memory(model.Loss).Host() == nil {
		t.Skip("a device's memory")
	}
	run(t, m)
	if n := testing.AllocsPerRun(10, func() { run(t, m) }); n != 0 {
		t.Errorf("a step allocates %v times", n)
	}
}
