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
	graph   driver.Graph
}

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
	// What was written so far must not become a part of the graph.
	if err := b.stage.flush(); err != nil {
		return nil, err
	}
	var err error
	if e.graph, err = b.capture(slices.Concat(e.tasks...)); err != nil {
		return nil, err
	}
	return e, nil
}

// Run queues the program behind what was written.
func (e *executable) Run() error {
	if err := e.backend.stage.flush(); err != nil {
		return err
	}
	e.backend.latest = e
	return e.backend.compute.Replay(e.graph)
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
	return errors.Join(e.backend.synchronize(), e.graph.Close())
}
