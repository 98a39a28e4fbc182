package model

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"trainer/internal/vm"
)

// Mode says what an Executor computes.
type Mode int

const (
	Predict  Mode = iota // logits
	Evaluate             // loss and negative log-likelihoods
	Train                // loss and the gradients of all weights
)

// Result is what a run computed. Its slices are views that the next run of the Executor overwrites. Rows are in the order in which
// predictions were added to the batch.
type Result struct {
	Logits []float32 // [R, V], with Predict
	Loss   float32   // Σ weight·nll, with Evaluate and Train
	NLL    []float32 // [R] -log p of each target, with Evaluate and Train
	Hits   []float32 // [R] 1 where the target was the likeliest token, with Evaluate and Train
}

// Executor runs a model on a backend, with one compiled program for each shape of batch that comes by. It is for one goroutine at a time;
// executors on different backends can share a model.
type Executor struct {
	// Recompute has the backward pass compute the activations of a block again rather than keep them: the same results with far less
	// memory and about a fifth more work. It is to be set ahead of the first run.
	Recompute bool

	stretches []Stretch // that final is called for
	final     func(i int, gradient vm.Memory)
	model     *Model
	backend   vm.Backend
	workspace *vm.Workspace
	programs  map[programKey]*program
	cache     cache
	runs      int // so far

	last     *program    // that ran
	fetches  [2]vm.Fetch // that take turns; none before the first run
	pending  []pending   // runs whose results are still to be asked for, oldest first
	results  []vm.Memory // memory of Start
	gradient []byte      // memory of Gradients
	result   Result
}

// maxPrograms is how many programs an executor keeps. One of 12 layers is 0.6 MB and takes 4 ms to compile, far less than it takes to run;
// sequences of many lengths come in thousands of shapes.
const maxPrograms = 256

type programKey struct {
	Shape
	Mode
	taps string // what a program that is none of a Mode computes: the names of a Trace, a line each, or unembed
}

// program is a graph compiled for one shape and mode, and the memory of its inputs and outputs.
type program struct {
	graph   *Graph
	vm      *vm.VM                // nil where nothing is to be computed
	inputs  [inputCount]vm.Memory // in the order of Graph.inputs; nil where the program does not read them
	results []int                 // values of the program that a Result is made of
	traced  []tap                 // what a Trace is made of
	used    int                   // the last run of the executor that asked for it
}

// pending is a run whose results are on their way.
type pending struct {
	mode        Mode
	predictions int
	fetch       vm.Fetch
}

// NewExecutor returns an executor of m on a backend.
func NewExecutor(m *Model, b vm.Backend) *Executor {
	return &Executor{model: m, backend: b, workspace: vm.NewWorkspace(b), programs: make(map[programKey]*program)}
}

// Model is what the executor runs.
func (e *Executor) Model() *Model { return e.model }

// Close closes the backend, for an executor that has it alone.
func (e *Executor) Close() error { return e.backend.Close() }

// Run computes the batch. Every prediction counts in the loss with the given weight: 1/(their number) makes it the mean, and
// a sum of runs over parts of a batch is the mean when the number is that of the whole. The first run of a shape compiles its program;
// later ones allocate nothing. A token outside of the vocabulary and a sequence longer than the context panic; errors are the backend's.
func (e *Executor) Run(b *Batch, mode Mode, weight float32) (*Result, error) {
	if err := e.Start(b, mode, weight); err != nil {
		return nil, err
	}
	return e.Result()
}

// Start begins a Run, whose results Result returns. On a GPU it does not wait for them. See Ahead.
func (e *Executor) Start(b *Batch, mode Mode, weight float32) error {
	b.check(e.model.Config, e.cache.places)
	if err := e.open(); err != nil {
		return err
	}
	predictions, shape := b.Predictions(), e.shape(b, mode)
	p, err := e.program(shape, mode)
	if err != nil {
		return err
	}
	if err := p.write(b.pad(shape, weight)); err != nil {
		return err
	}
	if err := p.vm.RunAll(); err != nil {
		return err
	}
	e.last, e.results = p, e.results[:0]
	for _, v := range p.results {
		e.results = append(e.results, p.vm.Value(v))
	}
	f := e.fetches[0]
	e.fetches[0], e.fetches[1] = e.fetches[1], f
	if err := f.Start(e.results...); err != nil {
		return err
	}
	e.pending = append(e.pending, pending{mode, predictions, f})
	return nil
}

// shape is that of the program for a batch.
func (e *Executor) shape(b *Batch, mode Mode) Shape {
	s := b.shape()
	s.Dropout = mode == Train && b.drops() && e.model.Config.Dropout > 0
	if b.cached() {
		s.Places = e.cache.places
	}
	return s
}

// open makes what brings the results, once.
func (e *Executor) open() (err error) {
	for i, f := range e.fetches {
		if f == nil {
			if e.fetches[i], err = vm.NewFetch(e.backend); err != nil {
				return err
			}
		}
	}
	return nil
}

// Ahead is how many runs may be started before the results of the oldest are asked for.
func (e *Executor) Ahead() int {
	if _, ok := e.backend.(vm.Fetcher); ok {
		return 1
	}
	return 0
}

// Result returns what the oldest run computed that was not asked for.
func (e *Executor) Result() (*Result, error) {
	run, r := e.pending[0], &e.result
	e.pending = append(e.pending[:0], e.pending[1:]...)
	parts, err := run.fetch.Wait()
	if err != nil {
		return nil, err
	}
	floats := func(i, n int) []float32 { return vm.Float32s(parts[i])[:n] }
	if run.mode == Predict {
		*r = Result{Logits: floats(0, run.predictions*e.model.Config.VocabSize)}
	} else {
		*r = Result{Loss: floats(0, 1)[0], NLL: floats(1, run.predictions), Hits: floats(2, run.predictions)}
	}
	return r, nil
}

// Gradients returns the gradient of the loss by all weights, of the last run with Train, in the layout of Model.Weights, gaps included.
func (e *Executor) Gradients() ([]float32, error) {
	all, _ := e.Gradient()
	data := all.Host()
	if data == nil {
		if e.gradient == nil {
			e.gradient = make([]byte, len(e.model.Weights)*4)
		}
		data = e.gradient
		if err := all.Read(data); err != nil {
			return nil, err
		}
	}
	g := vm.Float32s(data)[:len(e.model.Weights)]
	e.clearGaps(g, Stretch{0, len(g)})
	return g, nil
}

// Gradient returns where the last run with Train left its gradients, in the layout of Model.Weights, whatever the gaps hold, and its loss.
func (e *Executor) Gradient() (gradients, loss vm.Memory) {
	return e.last.vm.Outputs(), e.last.vm.Value(e.last.results[0])
}

// Stretch is a part of the vector of all weights: the elements from Begin, and before End.
type Stretch struct{ Begin, End int }

// Watch has final called in each run with Train, with where Gradient will be, as soon as stretch i of it is what it will be. On the CPU that is so
// for gaps too, as in Gradients, and the run goes on when final returns; on a GPU it is so for what is queued behind it. It is to be asked for ahead
// of the first run.
func (e *Executor) Watch(stretches []Stretch, final func(i int, gradient vm.Memory)) {
	e.stretches, e.final = stretches, final
}

// watch has a program tell of the stretches.
func (e *Executor) watch(machine *vm.VM) error {
	writers := machine.Program().Writers() // of the gradients, in the order of the parameters, and of other outputs
	after := make([]int, len(e.stretches))
	for i, s := range e.stretches {
		for j := range e.model.Parameters {
			if p := &e.model.Parameters[j]; p.Begin < s.End && s.Begin < p.end() {
				after[i] = max(after[i], writers[j])
			}
		}
	}
	return machine.Watch(after, func(i int) {
		if host := machine.Outputs().Host(); host != nil {
			e.clearGaps(vm.Float32s(host)[:len(e.model.Weights)], e.stretches[i])
		}
		e.final(i, machine.Outputs())
	})
}

// clearGaps clears what is between parameters in a stretch of a gradient: programs of other shapes use that memory.
func (e *Executor) clearGaps(gradient []float32, s Stretch) {
	for i := range e.model.Parameters {
		if p := &e.model.Parameters[i]; p.end() > s.Begin && p.end() <= s.End {
			clear(gradient[p.Begin+p.Size() : p.end()])
		}
	}
}

// program returns the compiled program of a shape and mode.
func (e *Executor) program(s Shape, mode Mode) (*program, error) {
	return e.cached(programKey{Shape: s, Mode: mode}, func() (*program, error) {
		p, err := e.compile(s, mode)
		if err != nil {
			return nil, fmt.Errorf("a batch of %d tokens: %w", s.Rows, err)
		}
		return p, nil
	})
}

// cached returns the program of a key, which it compiles unless it has it. A new one takes the place of the one that has not run for the
// longest time.
func (e *Executor) cached(key programKey, compile func() (*program, error)) (*program, error) {
	e.runs++
	if p := e.programs[key]; p != nil {
		p.used = e.runs
		return p, nil
	}
	p, err := compile()
	if err != nil {
		return nil, err
	}
	if len(e.programs) == maxPrograms {
		oldest := key
		for k, q := range e.programs {
			if oldest == key || q.used < e.programs[oldest].used {
				oldest = k
			}
		}
		if machine := e.programs[oldest].vm; machine != nil {
			if err := machine.Close(); err != nil {
				return nil, err
			}
		}
		delete(e.programs, oldest)
	}
	p.used = e.runs
	e.programs[key] = p
	return p, nil
}

func (e *Executor) compile(s Shape, mode Mode) (*program, error) {
	g, err := e.model.Graph(s)
	if err != nil {
		return nil, err
	}
	results := gorgonia.Nodes{g.Logits}
	if mode != Predict {
		results = gorgonia.Nodes{g.Loss, g.NLL, g.Hits}
	}
	outputs := results
	if mode == Train {
		gradients, err := g.Gradients()
		if err != nil {
			return nil, err
		}
		outputs = slices.Concat(gradients, results)
	}
	code, err := vm.Compile(outputs...)
	if err != nil {
		return nil, err
	}
	if mode == Train && e.Recompute {
		code = vm.Recompute(code, g.Residual...)
	}
	p := &program{graph: g}
	for _, n := range results {
		p.results = append(p.results, code.Index(n))
	}
	if err := e.bind(p, code); err != nil {
		return nil, err
	}
	if mode == Train && e.final != nil {
		if err := e.watch(p.vm); err != nil {
			return nil, errors.Join(err, p.vm.Close())
		}
	}
	return p, nil
}

// bind has the backend prepare the code of a program, and finds where its inputs are.
func (e *Executor) bind(p *program, code *vm.Program) error {
	// All weights are one block of the device, of which the parameters adopt parts.
	if _, err := e.backend.Adopt(vm.Bytes(e.model.Weights)); err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	machine, err := vm.New(code, e.workspace, e.cache.states(p.graph)...)
	if err != nil {
		return err
	}
	p.vm = machine
	for i, n := range p.graph.inputs() {
		if n != nil && code.Index(n) >= 0 {
			p.inputs[i] = machine.Memory(n)
		}
	}
	return nil
}

// write copies a batch into the inputs that the program reads.
func (p *program) write(in inputs) error {
	for i, data := range in.data() {
		if p.inputs[i] == nil {
			continue
		}
		if err := p.inputs[i].Write(data); err != nil {
			return err
		}
	}
	return nil
}
