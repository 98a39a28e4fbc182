package verify

import (
	"math"

	"gorgonia.org/gorgonia"

	"trainer/internal/cuda"
	"trainer/internal/vm"
	"trainer/train"
)

// The optimizer of the reference; its other numbers are those of train.NewAdamW.
const (
	learningRate = 1e-3
	weightDecay  = 0.1 // of matrices, the embeddings included
	clip         = 1.0 // largest norm of the whole gradient
)

// stepper moves the model's weights.
type stepper interface {
	// step takes a training step with the gradient of the path's latest run, and returns its loss and the norm of that gradient.
	step() (loss, norm float32, err error)
	// fetch brings the weights to the host, where they are elsewhere.
	fetch() error
}

// train takes the training steps of the reference, which change the model's weights.
func (g *graphPath) train(s stepper, in *inputs, n numbers) error {
	for step := range in.steps {
		if err := g.start(in.batch(step)); err != nil {
			return err
		}
		loss, norm, err := s.step()
		if err != nil {
			return err
		}
		n["losses"], n["gnorms"] = append(n["losses"], loss), append(n["gnorms"], norm)
	}
	for i := range g.model.Parameters {
		p := &g.model.Parameters[i]
		n.add("after.", p, p.Value)
	}
	return s.fetch() // into these very values
}

func newStepper(g *graphPath, on Machine) (stepper, error) {
	adamW := train.NewAdamW(len(g.model.Weights), learningRate, weightDecay)
	if on.gpu != nil {
		return newDeviceSteps(g, on.gpu, adamW)
	}
	adamW.Clip, adamW.Kernels = clip, on.kernels
	return &hostSteps{g, adamW}, nil
}

// hostSteps has a gorgonia.Solver work on the graph.
type hostSteps struct {
	path   *graphPath
	solver gorgonia.Solver
}

func (h *hostSteps) step() (loss, norm float32, err error) {
	out, err := h.path.fromNodes()
	if err != nil {
		return 0, 0, err
	}
	var squares float64
	for _, gradient := range out.gradients {
		for _, v := range gradient {
			squares += float64(v) * float64(v)
		}
	}
	return out.loss, float32(math.Sqrt(squares)), h.solver.Step(gorgonia.NodesToValueGrads(h.path.graph.Parameters))
}

func (h *hostSteps) fetch() error { return nil }

// deviceSteps has the GPU move the weights, and tell the norm of the gradient.
type deviceSteps struct {
	path      *graphPath
	backend   *cuda.Backend
	optimizer *cuda.Optimizer
	report    vm.Fetch
}

func newDeviceSteps(g *graphPath, b *cuda.Backend, a *train.AdamW) (*deviceSteps, error) {
	var moments [][]float32
	for _, v := range a.State() {
		moments = append(moments, v.Value)
	}
	var parameters []cuda.Parameter
	for i := range g.model.Parameters {
		p := &g.model.Parameters[i]
		parameters = append(parameters, cuda.Parameter{Begin: p.Begin, Size: p.Size(), Matrix: p.IsMatrix()})
	}
	rule := cuda.Rule{Beta1: a.Beta1, Beta2: a.Beta2, Epsilon: a.Epsilon, WeightDecay: a.WeightDecay, Clip: clip}
	optimizer, err := b.NewOptimizer(g.model.Weights, moments, parameters, rule)
	if err != nil {
		return nil, err
	}
	report, err := vm.NewFetch(b)
	return &deviceSteps{g, b, optimizer, report}, err
}

func (d *deviceSteps) step() (loss, norm float32, err error) { return d.take(true) }

// take takes a step, or without move measures the gradient alone.
func (d *deviceSteps) take(move bool) (loss, norm float32, err error) {
	at := d.path.machine.Memory(d.path.graph.Loss)
	if err := d.optimizer.Add(d.path.machine.Outputs(), at, true, true); err != nil {
		return 0, 0, err
	}
	if err := d.optimizer.Step(learningRate, move); err != nil {
		return 0, 0, err
	}
	if err := d.report.Start(at, d.optimizer.Outcome()); err != nil {
		return 0, 0, err
	}
	parts, err := d.report.Wait()
	if err != nil {
		return 0, 0, err
	}
	return vm.Float32s(parts[0])[0], float32(d.optimizer.Report(parts[1]).Norm), nil
}

func (d *deviceSteps) fetch() error { return d.backend.Fetch(vm.Bytes(d.path.model.Weights)) }
