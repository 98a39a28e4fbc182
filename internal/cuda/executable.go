package cuda

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/vm"
)

// task is a piece of an instruction's work on a stream: a kernel, or a product of the vendor's library.
type task struct {
	kernel   driver.Kernel
	launch   kernels.Launch
	plan     driver.MatMulPlan // instead of a kernel
	operands driver.MatMulOperands
}

func (t *task) queue(s driver.Stream) error {
	if t.plan != nil {
		return s.Multiply(t.plan, t.operands)
	}
	return s.Launch(t.kernel, t.launch)
}

// tasks makes tasks of launches.
func (b *Backend) tasks(launches ...kernels.Launch) ([]task, error) {
	var list []task
	for _, l := range launches {
		k, err := b.code.kernel(l)
		if err != nil {
			return nil, err
		}
		list = append(list, task{kernel: k, launch: l})
	}
	return list, nil
}

// capture records tasks as a graph.
func (b *Backend) capture(tasks []task) (driver.Graph, error) {
	if err := b.compute.BeginCapture(); err != nil {
		return nil, err
	}
	for i := range tasks {
		if err := tasks[i].queue(b.compute); err != nil {
			_, end := b.compute.EndCapture()
			return nil, errors.Join(err, end)
		}
	}
	return b.compute.EndCapture()
}

// executable is a program bound to memory: the tasks of each instruction, and a graph of them all.
type executable struct {
	backend *Backend
	program *vm.Program
	tasks   [][]task // by instruction
	parts   []part   // of the program, in order
	after   []int    // see Watch
	passed  func(i int)
	stale   bool // the parts are those of another Watch
}

// part is a stretch of the program, captured as a graph.
type part struct {
	graph  driver.Graph
	passed []int // what is told behind it
}

var _ vm.Watcher = (*executable)(nil)

// Bind prepares the launches of a program that Rewrite returned. Everything that a run needs is loaded and allocated here.
func (b *Backend) Bind(p *vm.Program, memory []vm.Memory) (vm.Executable, error) {
	e := &executable{backend: b, program: p}
	for i := range p.Instructions {
		c := binding{Backend: b, Instruction: &p.Instructions[i], program: p, memory: memory}
		tasks, err := c.tasksOf()
		if err != nil {
			return nil, fmt.Errorf("%#v: %w", p.Instructions[i].Kernel, err)
		}
		e.tasks = append(e.tasks, tasks)
	}
	return e, e.capture()
}

// capture records the program: as one graph, or as several with what is told between them.
func (e *executable) capture() error {
	b := e.backend
	// What was written so far must not become a part of a graph.
	if err := b.stage.flush(); err != nil {
		return err
	}
	ends := slices.Sorted(slices.Values(e.after))
	if n := len(e.tasks) - 1; len(ends) == 0 || ends[len(ends)-1] < n {
		ends = append(ends, n)
	}
	begin := 0
	for _, end := range slices.Compact(ends) {
		p := part{}
		var err error
		if p.graph, err = b.capture(slices.Concat(e.tasks[begin : end+1]...)); err != nil {
			return err
		}
		for i, after := range e.after {
			if after == end {
				p.passed = append(p.passed, i)
			}
		}
		e.parts, begin = append(e.parts, p), end+1
	}
	return nil
}

// Watch divides the program's graph where something is told. It is captured anew by the next run.
func (e *executable) Watch(after []int, passed func(i int)) {
	e.after, e.passed = after, passed
	e.stale = true
}

// recapture captures a program that is watched since it was captured.
func (e *executable) recapture() error {
	if err := e.backend.synchronize(); err != nil {
		return err
	}
	if err := e.forget(); err != nil {
		return err
	}
	e.stale = false
	return e.capture()
}

// forget gives the graphs back.
func (e *executable) forget() error {
	var err error
	for _, p := range e.parts {
		err = errors.Join(err, p.graph.Close())
	}
	e.parts = nil
	return err
}

// Run queues the program behind what was written.
func (e *executable) Run() error {
	if err := e.backend.stage.flush(); err != nil {
		return err
	}
	if e.stale {
		if err := e.recapture(); err != nil {
			return err
		}
	}
	e.backend.latest = e
	for _, p := range e.parts {
		if err := e.backend.compute.Replay(p.graph); err != nil {
			return err
		}
		for _, i := range p.passed {
			e.passed(i)
		}
	}
	return nil
}

// explain adds to a fault which instructions of the latest program run the kernel that it names.
func (b *Backend) explain(err error) error {
	var fault *driver.Fault
	if b.latest == nil || !errors.As(err, &fault) || fault.Kernel == "" {
		return err
	}
	var names []string
	for i, tasks := range b.latest.tasks {
		if slices.ContainsFunc(tasks, func(t task) bool { return t.launch.Kernel == fault.Kernel }) {
			names = append(names, fmt.Sprintf("%d (%#v)", i, b.latest.program.Instructions[i].Kernel))
		}
	}
	if names == nil {
		return err
	}
	return fmt.Errorf("%w: the kernel of the program's instructions %s", err, strings.Join(names, ", "))
}

// Step runs instruction i and waits. An error names it.
func (e *executable) Step(i int) error {
	if err := e.step(i); err != nil {
		return fmt.Errorf("instruction %d, %#v: %w", i, e.program.Instructions[i].Kernel, err)
	}
	return nil
}

func (e *executable) step(i int) error {
	b := e.backend
	if err := b.stage.flush(); err != nil {
		return err
	}
	for j := range e.tasks[i] {
		if err := e.tasks[i][j].queue(b.compute); err != nil {
			return err
		}
	}
	return b.compute.Synchronize()
}

// Close gives the graph back.
func (e *executable) Close() error {
	return errors.Join(e.backend.synchronize(), e.forget())
}
