package train

import (
	"errors"
	"fmt"

	"trainer/internal/collective"
	"trainer/internal/cuda"
	"trainer/internal/device"
	"trainer/internal/fault"
	"trainer/internal/vm"
	"trainer/model"
)

// gpuUpdater updates weights where they are, on a GPU. The host's weights and moments are copies, as of the last fetch.
type gpuUpdater struct {
	model     *model.Model
	backend   *cuda.Backend
	host      Optimizer // whose state the GPU moves
	optimizer *cuda.Optimizer
	fetches   [2]vm.Fetch // that take turns
	queued    []vm.Fetch  // of updates that squares has not been asked for, oldest first
	vector    []byte      // memory of gradient
}

// newGPUEngine returns an engine on a GPU.
func newGPUEngine(m *model.Model, host Optimizer, o Options) (*engine, error) {
	b, err := openGPU(host, o)
	if err != nil {
		return nil, err
	}
	u := &gpuUpdater{model: m, backend: b, host: host}
	if err := u.open(o, nil); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return newEngine(m, b.Device(), []vm.Backend{b}, nil, u), nil
}

// newGPUGroupEngine returns an engine on a GPU for processes that train together, each on one of its own.
func newGPUGroupEngine(m *model.Model, p *partition, host Optimizer, o Options) (*engine, error) {
	b, err := openGPU(host, o)
	if err := collective.Agree(o.Group, err); err != nil {
		if b != nil {
			err = errors.Join(err, b.Close())
		}
		return nil, err
	}
	u := newGPUGroupUpdater(&gpuUpdater{model: m, backend: b, host: host}, p, o.Group)
	if err := b.Join(o.Group); err != nil {
		return nil, errors.Join(fault.Devicef("-device=%s: %w", o.Device, err), b.Close())
	}
	if err := u.open(o, u.cudaBuckets()); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	e := newEngine(m, fmt.Sprintf("%s, in each of %d processes", b.Device(), o.Group.Size()), []vm.Backend{b}, nil, u)
	e.group = o.Group
	u.watch(e.workers[0].executor)
	return e, nil
}

// openGPU opens the device of the options for an optimizer that it has.
func openGPU(host Optimizer, o Options) (*cuda.Backend, error) {
	if _, ok := host.(matrixOptimizer); ok {
		return nil, fault.Optionf("%s %q: expected adamw or sgd on a GPU", fault.Option("optimizer"), o.Optimizer)
	}
	return device.Open(o.Device, o.Precision, o.GEMM)
}

// open makes the optimizer, of the buckets of ranks where there are several.
func (u *gpuUpdater) open(o Options, buckets []cuda.Bucket) error {
	rule := cuda.Rule{SGD: true, Clip: o.Clip}
	if a, ok := u.host.(*AdamW); ok {
		rule = cuda.Rule{Beta1: a.Beta1, Beta2: a.Beta2, Epsilon: a.Epsilon, WeightDecay: a.WeightDecay, Clip: o.Clip}
	}
	var moments [][]float32
	for _, v := range u.host.State() {
		moments = append(moments, v.Value)
	}
	var parameters []cuda.Parameter
	for i := range u.model.Parameters {
		p := &u.model.Parameters[i]
		parameters = append(parameters, cuda.Parameter{Begin: p.Begin, Size: p.Size(), Matrix: p.IsMatrix()})
	}
	var err error
	if u.optimizer, err = u.backend.NewShardedOptimizer(u.model.Weights, moments, parameters, rule, buckets); err != nil {
		return err
	}
	for i := range u.fetches {
		if u.fetches[i], err = vm.NewFetch(u.backend); err != nil {
			return err
		}
	}
	return nil
}

func (u *gpuUpdater) expect(int, *model.Executor, bool, bool) {}

func (u *gpuUpdater) keep(_ int, x *model.Executor, first, alone bool) error {
	gradients, loss := x.Gradient()
	return u.optimizer.Add(gradients, loss, first, alone)
}

// update queues the step. Where loss or gradient are not finite, the GPU itself sees it and moves no weight, in this step and all later ones.
func (u *gpuUpdater) update(j *job) error {
	if j.move {
		u.host.Begin(j.rate, 1)
	}
	if err := u.optimizer.Step(j.rate, j.move); err != nil {
		return err
	}
	f := u.fetches[0]
	u.fetches[0], u.fetches[1] = u.fetches[1], f
	u.queued = append(u.queued, f)
	return f.Start(u.optimizer.Outcome())
}

func (u *gpuUpdater) squares(stages []float64) error {
	f := u.queued[0]
	u.queued = append(u.queued[:0], u.queued[1:]...)
	outcome, err := f.Wait()
	if err != nil {
		return err
	}
	clear(stages)
	for i, s := range u.optimizer.Report(outcome[0]).Squares {
		stages[u.model.Parameters[i].Stage] += s
	}
	return nil
}

func (u *gpuUpdater) gradient() ([]float32, error) {
	if u.vector == nil {
		u.vector = make([]byte, 4*len(u.model.Weights))
	}
	err := u.optimizer.Gradient().Read(u.vector)
	return vm.Float32s(u.vector), err
}

func (u *gpuUpdater) fetch() error { return u.each(u.backend.Fetch) }

func (u *gpuUpdater) push(steps int) error {
	return errors.Join(u.optimizer.SetSteps(steps), u.each(u.backend.Push))
}

// each calls f with everything that training changes.
func (u *gpuUpdater) each(f func(host []byte) error) error {
	err := f(vm.Bytes(u.model.Weights))
	for _, v := range u.host.State() {
		err = errors.Join(err, f(vm.Bytes(v.Value)))
	}
	return err
}

// close leaves the backend to the engine.
func (u *gpuUpdater) close() error { return nil }
