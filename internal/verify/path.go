package verify

import (
	"math"

	"gorgonia.org/gorgonia"

	"trainer/internal/cpu"
	"trainer/internal/cpu/kernel"
	"trainer/internal/vm"
	"trainer/model"
	"trainer/train"
)

// numbers are computed tensors, row-major, by the names that they have in the reference files.
type numbers map[string][]float32

// path is a way through the code that computes a batch.
type path interface {
	// run returns the loss, which is the mean over the targets that are not -1, the logits [N, V] where all targets are wanted, and the
	// gradients in the order of the parameters. The next run overwrites what it returns.
	run(tokens, targets []int32) (*pass, error)
}

type pass struct {
	logits    []float32
	loss      float32
	gradients [][]float32
}

// compute collects what the reference has of single passes.
func compute(p path, in *inputs, m *model.Model) (numbers, error) {
	n := make(numbers)
	for _, c := range []struct {
		loss, gradient string
		targets        []int32
	}{{"loss", "grad.", in.y}, {"loss_masked", "gradm.", in.yMasked}, {"loss_hf", "", in.shifted()}} {
		out, err := p.run(in.x, c.targets)
		if err != nil {
			return nil, err
		}
		n[c.loss] = []float32{out.loss}
		if c.loss == "loss" {
			n["logits"] = append([]float32(nil), out.logits...)
		}
		if c.gradient == "" {
			continue
		}
		for i := range m.Parameters {
			n[c.gradient+m.Parameters[i].Name] = append([]float32(nil), out.gradients[i]...)
		}
	}
	return n, nil
}

// meanWeight is the weight of each prediction in a mean.
func meanWeight(targets []int32) float32 {
	wanted := 0
	for _, t := range targets {
		if t >= 0 {
			wanted++
		}
	}
	return 1 / float32(wanted)
}

// executorPath is how the trainer runs a model.
type executorPath struct {
	model    *model.Model
	executor *model.Executor
	length   int
	batch    model.Batch
}

func (e *executorPath) run(tokens, targets []int32) (*pass, error) {
	e.batch.Reset()
	for at := 0; at < len(tokens); at += e.length {
		e.batch.Add(tokens[at:at+e.length], targets[at:at+e.length])
	}
	predicted, err := e.executor.Run(&e.batch, model.Predict, 0)
	if err != nil {
		return nil, err
	}
	out := &pass{logits: append([]float32(nil), predicted.Logits...)}
	trained, err := e.executor.Run(&e.batch, model.Train, meanWeight(targets))
	if err != nil {
		return nil, err
	}
	out.loss = trained.Loss
	gradients, err := e.executor.Gradients()
	if err != nil {
		return nil, err
	}
	for i := range e.model.Parameters {
		p := &e.model.Parameters[i]
		out.gradients = append(out.gradients, gradients[p.Begin:p.Begin+p.Size()])
	}
	return out, nil
}

// graphPath runs the model's graph as any Gorgonia graph runs: compiled, on a gorgonia.VM, with a gorgonia.Solver.
type graphPath struct {
	model     *model.Model
	graph     *model.Graph
	gradients gorgonia.Nodes
	machine   *vm.VM
}

func newGraphPath(m *model.Model, b vm.Backend, in *inputs) (*graphPath, error) {
	g, err := m.Graph(model.Shape{Rows: in.sequences * in.length, Sequences: in.sequences})
	if err != nil {
		return nil, err
	}
	p := &graphPath{model: m, graph: g}
	if p.gradients, err = g.Gradients(); err != nil {
		return nil, err
	}
	program, err := vm.Compile(append(gorgonia.Nodes{g.Logits, g.Loss}, p.gradients...)...)
	if err != nil {
		return nil, err
	}
	if p.machine, err = vm.New(program, vm.NewWorkspace(b)); err != nil {
		return nil, err
	}
	var positions, offsets []int32
	for s := range in.sequences {
		offsets = append(offsets, int32(s*in.length))
		for i := range in.length {
			positions = append(positions, int32(i))
		}
	}
	if err := p.write(g.Offsets, append(offsets, int32(len(positions)))); err != nil {
		return nil, err
	}
	if err := p.write(g.Positions, positions); err != nil {
		return nil, err
	}
	return p, p.machine.BindOutputs()
}

func (g *graphPath) write(n *gorgonia.Node, data []int32) error {
	return g.machine.Memory(n).Write(vm.Bytes(data))
}

func (g *graphPath) run(tokens, targets []int32) (*pass, error) {
	weights, weight := make([]float32, len(targets)), meanWeight(targets)
	for i, t := range targets {
		if t >= 0 {
			weights[i] = weight
		}
	}
	if err := g.write(g.graph.Tokens, tokens); err != nil {
		return nil, err
	}
	if err := g.write(g.graph.Targets, targets); err != nil {
		return nil, err
	}
	if err := g.machine.Memory(g.graph.Weights).Write(vm.Bytes(weights)); err != nil {
		return nil, err
	}
	g.machine.Reset()
	if err := g.machine.RunAll(); err != nil {
		return nil, err
	}
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

// The optimizer of the reference.
const (
	learningRate = 1e-3
	weightDecay  = 0.1 // of matrices, the embeddings included
	clip         = 1.0 // largest norm of the whole gradient
)

// train takes the training steps of the reference, which change the model's weights.
func (g *graphPath) train(in *inputs, kernels *kernel.Set, n numbers) error {
	optimizer := train.NewAdamW(len(g.model.Weights), learningRate, weightDecay)
	optimizer.Clip, optimizer.Kernels = clip, kernels
	var solver gorgonia.Solver = optimizer
	for step := range in.steps {
		out, err := g.run(in.batch(step))
		if err != nil {
			return err
		}
		var squares float64
		for _, gradient := range out.gradients {
			for _, v := range gradient {
				squares += float64(v) * float64(v)
			}
		}
		n["losses"] = append(n["losses"], out.loss)
		n["gnorms"] = append(n["gnorms"], float32(math.Sqrt(squares)))
		if err := solver.Step(gorgonia.NodesToValueGrads(g.graph.Parameters)); err != nil {
			return err
		}
	}
	for i := range g.model.Parameters {
		n["after."+g.model.Parameters[i].Name] = g.model.Parameters[i].Value
	}
	return nil
}

// greedy continues the prompt of the reference to the length that it has there. An end token does not end it there.
func greedy(m *model.Model, b *cpu.Backend, in *inputs) ([]int32, error) {
	endless := *m
	endless.Config.EOS = model.NoToken
	s := model.Sampling{TopP: 1, MaxTokens: len(in.greedy) - len(in.prompt)}
	choices, err := model.NewGenerator(model.NewExecutor(&endless, b)).Generate([][]int32{in.prompt}, s, 0)
	if err != nil {
		return nil, err
	}
	all := append([]int32(nil), in.prompt...)
	for _, c := range choices[0] {
		all = append(all, c.Token)
	}
	return all, nil
}
