package model

import (
	"fmt"

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
	model     *Model
	backend   vm.Backend
	workspace *vm.Workspace
	programs  map[programKey]*program
	runs      int // so far

	last        *program // that ran
	predictions int      // of its batch
	result      Result
}

// maxPrograms is how many programs an executor keeps. One of 12 layers is 0.6 MB and takes 4 ms to compile, far less than it takes to run;
// sequences of many lengths come in thousands of shapes.
const maxPrograms = 256

type programKey struct {
	Shape
	Mode
}

// program is a graph compiled for one shape and mode, and the memory of its inputs and outputs.
type program struct {
	graph                                                *Graph
	vm                                                   *vm.VM
	tokens, positions, offsets, wanted, targets, weights vm.Memory
	logits, loss, nll, hits                              reader
	gradients                                            reader
	used                                                 int // the last run of the executor that asked for it
}

// NewExecutor returns an executor of m on a backend.
func NewExecutor(m *Model, b vm.Backend) *Executor {
	return &Executor{model: m, backend: b, workspace: vm.NewWorkspace(b), programs: make(map[programKey]*program)}
}

// Run computes the batch. Every prediction counts in the loss with the given weight: 1/(their number) makes it the mean, and
// a sum of runs over parts of a batch is the mean when the number is that of the whole. The first run of a shape compiles its program;
// later ones allocate nothing. A token outside of the vocabulary and a sequence longer than the context panic; errors are the backend's.
func (e *Executor) Run(b *Batch, mode Mode, weight float32) (*Result, error) {
	if err := e.Start(b, mode, weight); err != nil {
		return nil, err
	}
	return e.Result()
}

// Start begins a Run, whose results Result returns. On a GPU it does not wait for them.
func (e *Executor) Start(b *Batch, mode Mode, weight float32) error {
	b.check(e.model.Config)
	predictions, shape := b.Predictions(), b.shape()
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
	e.last, e.predictions = p, predictions
	return nil
}

// Ahead is how many runs may be started before the results of the oldest are asked for.
func (e *Executor) Ahead() int { return 0 }

// Result returns what the oldest run computed that was not asked for.
func (e *Executor) Result() (*Result, error) {
	p, r := e.last, &e.result
	*r = Result{}
	for _, out := range []struct {
		from *reader
		to   *[]float32
		size int
	}{
		{&p.logits, &r.Logits, e.predictions * e.model.Config.VocabSize},
		{&p.nll, &r.NLL, e.predictions},
		{&p.hits, &r.Hits, e.predictions},
	} {
		var err error
		if *out.to, err = out.from.read(out.size); err != nil {
			return nil, err
		}
	}
	loss, err := p.loss.read(1)
	if err != nil {
		return nil, err
	}
	if loss != nil {
		r.Loss = loss[0]
	}
	return r, nil
}

// Gradients returns the gradient of the loss by all weights, of the last run with Train, in the layout of Model.Weights, gaps included.
func (e *Executor) Gradients() ([]float32, error) {
	g, err := e.last.gradients.read(len(e.model.Weights))
	if err != nil {
		return nil, err
	}
	for i := range e.model.Parameters {
		p := &e.model.Parameters[i]
		clear(g[p.Begin+p.Size() : p.end()]) // programs of other shapes use that memory
	}
	return g, nil
}

// program returns the compiled program of a shape and mode. A new one takes the place of the one that has not run for the longest time.
func (e *Executor) program(s Shape, mode Mode) (*program, error) {
	e.runs++
	key := programKey{s, mode}
	if p := e.programs[key]; p != nil {
		p.used = e.runs
		return p, nil
	}
	p, err := e.compile(s, mode)
	if err != nil {
		return nil, fmt.Errorf("a batch of %d tokens: %w", s.Rows, err)
	}
	if len(e.programs) == maxPrograms {
		oldest := key
		for k, q := range e.programs {
			if oldest == key || q.used < e.programs[oldest].used {
				oldest = k
			}
		}
		if err := e.programs[oldest].vm.Close(); err != nil {
			return nil, err
		}
		delete(e.programs, oldest)
	}
	p.used = e.runs
	e.programs[key] = p
	return p, nil
}

func (e *Executor) compile(s Shape, mode Mode) (*program, error) {
	// All weights are one block of the device, of which the parameters adopt parts.
	if _, err := e.backend.Adopt(vm.Bytes(e.model.Weights)); err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	g, err := e.model.Graph(s)
	if err != nil {
		return nil, err
	}
	var outputs gorgonia.Nodes
	switch mode {
	case Predict:
		outputs = gorgonia.Nodes{g.Logits}
	case Evaluate:
		outputs = gorgonia.Nodes{g.Loss, g.NLL, g.Hits}
	case Train:
		if outputs, err = g.Gradients(); err != nil {
			return nil, err
		}
		outputs = append(outputs[:len(outputs):len(outputs)], g.Loss, g.NLL, g.Hits)
	}
	code, err := vm.Compile(outputs...)
	if err != nil {
		return nil, err
	}
	machine, err := vm.New(code, e.workspace)
	if err != nil {
		return nil, err
	}
	p := &program{graph: g, vm: machine}
	for _, in := range []struct {
		memory *vm.Memory
		node   *gorgonia.Node
	}{
		{&p.tokens, g.Tokens}, {&p.positions, g.Positions}, {&p.offsets, g.Offsets},
		{&p.wanted, g.Wanted}, {&p.targets, g.Targets}, {&p.weights, g.Weights},
	} {
		if in.node != nil && code.Index(in.node) >= 0 {
			*in.memory = machine.Memory(in.node)
		}
	}
	output := func(n *gorgonia.Node) reader {
		i := code.Index(n)
		return reader{memory: func() vm.Memory { return machine.Value(i) }}
	}
	if mode == Predict {
		p.logits = output(g.Logits)
		return p, nil
	}
	p.loss, p.nll, p.hits = output(g.Loss), output(g.NLL), output(g.Hits)
	if mode == Train {
		p.gradients = reader{memory: machine.Outputs}
	}
	return p, nil
}

// write copies a batch into the inputs that the program reads.
func (p *program) write(b inputs) error {
	for _, in := range []struct {
		memory vm.Memory
		data   []byte
	}{
		{p.tokens, vm.Bytes(b.tokens)}, {p.positions, vm.Bytes(b.positions)}, {p.offsets, vm.Bytes(b.offsets)},
		{p.wanted, vm.Bytes(b.wanted)}, {p.targets, vm.Bytes(b.targets)}, {p.weights, vm.Bytes(b.weights)},
	} {
		if in.memory == nil {
			continue
		}
		if err := in.memory.Write(in.data); err != nil {
			return err
		}
	}
	return nil
}

// reader reads an output where it is, or, from memory that the host cannot address, through a copy.
type reader struct {
	memory func() vm.Memory // of the latest run
	copied []byte
}

// read returns the first n elements; nil without memory.
func (r *reader) read(n int) ([]float32, error) {
	if r.memory == nil {
		return nil, nil
	}
	memory := r.memory()
	if host := memory.Host(); host != nil {
		return vm.Float32s(host)[:n], nil
	}
	if r.copied == nil {
		r.copied = make([]byte, memory.Size())
	}
	err := memory.Read(r.copied[:n*4])
	return vm.Float32s(r.copied)[:n], err
}
