package verify

import (
	"slices"

	"gorgonia.org/gorgonia"

	"trainer/internal/vm"
	"trainer/model"
)

// graphPath runs the model's graph as any Gorgonia graph runs: compiled, on a gorgonia.VM. Where the host addresses the device's memory, results
// are the values of nodes, as a gorgonia.Solver finds them; elsewhere they are read from the VM.
type graphPath struct {
	model     *model.Model
	graph     *model.Graph
	gradients gorgonia.Nodes
	machine   *vm.VM
	bound     bool // nodes show the machine's memory
}

func newGraphPath(m *model.Model, on Machine, in *inputs) (*graphPath, error) {
	g, err := m.Graph(model.Shape{Rows: in.sequences * in.length, Sequences: in.sequences})
	if err != nil {
		return nil, err
	}
	p := &graphPath{model: m, graph: g, bound: on.gpu == nil}
	if p.gradients, err = g.Gradients(); err != nil {
		return nil, err
	}
	// The weights are one block of the device, of which the parameters adopt parts: cuda.Optimizer moves them as one.
	if _, err := on.backend.Adopt(vm.Bytes(m.Weights)); err != nil {
		return nil, err
	}
	// The gradients come first, so that the outputs begin with a vector in the layout of the weights, which cuda.Optimizer takes.
	program, err := vm.Compile(slices.Concat(p.gradients, gorgonia.Nodes{g.Logits, g.Loss})...)
	if err != nil {
		return nil, err
	}
	if p.machine, err = vm.New(program, vm.NewWorkspace(on.backend)); err != nil {
		return nil, err
	}
	var positions, offsets []int32
	for s := range in.sequences {
		offsets = append(offsets, int32(s*in.length))
		for i := range in.length {
			positions = append(positions, int32(i))
		}
	}
	if err := p.write(g.Offsets, vm.Bytes(append(offsets, int32(len(positions))))); err != nil {
		return nil, err
	}
	if err := p.write(g.Positions, vm.Bytes(positions)); err != nil {
		return nil, err
	}
	if p.bound {
		return p, p.machine.BindOutputs()
	}
	return p, nil
}

func (g *graphPath) write(n *gorgonia.Node, data []byte) error {
	return g.machine.Memory(n).Write(data)
}

// start runs the graph.
func (g *graphPath) start(tokens, targets []int32) error {
	weights, weight := make([]float32, len(targets)), meanWeight(targets)
	for i, t := range targets {
		if t >= 0 {
			weights[i] = weight
		}
	}
	for _, in := range []struct {
		node *gorgonia.Node
		data []byte
	}{{g.graph.Tokens, vm.Bytes(tokens)}, {g.graph.Targets, vm.Bytes(targets)}, {g.graph.Weights, vm.Bytes(weights)}} {
		if err := g.write(in.node, in.data); err != nil {
			return err
		}
	}
	var machine gorgonia.VM = g.machine
	machine.Reset()
	return machine.RunAll()
}

func (g *graphPath) run(tokens, targets []int32) (*pass, error) {
	if err := g.start(tokens, targets); err != nil {
		return nil, err
	}
	if g.bound {
		return g.fromNodes()
	}
	return g.fromMachine()
}

// fromNodes returns the latest run's results as values of nodes.
func (g *graphPath) fromNodes() (*pass, error) {
	out := &pass{logits: g.graph.Logits.Value().Data().([]float32), loss: g.graph.Loss.Value().Data().(float32)}
	for _, p := range g.graph.Parameters {
		gradient, err := p.Grad()
		if err != nil {
			return nil, err
		}
		out.gradients = append(out.gradients, gradient.Data().([]float32))
	}
	return out, nil
}

// fromMachine returns the latest run's results as read from the device.
func (g *graphPath) fromMachine() (*pass, error) {
	var read [][]float32
	for _, n := range slices.Concat(g.gradients, gorgonia.Nodes{g.graph.Logits, g.graph.Loss}) {
		values, err := g.machine.Floats(g.machine.Program().Index(n))
		if err != nil {
			return nil, err
		}
		read = append(read, values)
	}
	n := len(g.gradients)
	return &pass{gradients: read[:n], logits: read[n], loss: read[n+1][0]}, nil
}
