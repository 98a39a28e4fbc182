package verify

import (
	"slices"

	"trainer/internal/vm"
	"trainer/model"
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
			n.add(c.gradient, &m.Parameters[i], slices.Clone(out.gradients[i]))
		}
	}
	return n, nil
}

// add notes the tensors of a parameter, or of what stands in its place, under their names with a prefix.
func (n numbers) add(prefix string, p *model.Parameter, values []float32) {
	for _, t := range p.Tensors(values) {
		n[prefix+t.Name] = t.Value
	}
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

func newExecutorPath(m *model.Model, on Machine, in *inputs) *executorPath {
	return &executorPath{model: m, executor: model.NewExecutor(m, on.backend), length: in.length}
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

// greedy continues the prompt of the reference to the length that it has there. An end token does not end it there.
func greedy(m *model.Model, b vm.Backend, in *inputs) ([]int32, error) {
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
