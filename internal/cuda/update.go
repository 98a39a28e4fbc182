package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
)

// graphKey is what the graph of a step depends on.
type graphKey struct {
	gradient, loss driver.Pointer
	move           bool
}

// updateGraph is a step captured for a gradient in one place.
type updateGraph struct {
	table *block // of kernels.Stretch
	graph driver.Graph
}

// maxGraphs is how many places of a gradient an Optimizer remembers. Programs of other shapes leave it in the same place, until a larger
// one makes them move.
const maxGraphs = 8

// graph returns the graph of a step, captured when a gradient is in a new place or there are new copies of weights.
func (o *Optimizer) graph(key graphKey) (*updateGraph, error) {
	if o.changes != o.backend.changes || len(o.graphs) == maxGraphs && o.graphs[key] == nil {
		if err := o.forget(); err != nil {
			return nil, err
		}
	}
	if g := o.graphs[key]; g != nil {
		return g, nil
	}
	g, err := o.capture(key)
	if err != nil {
		return nil, fmt.Errorf("the optimizer's step: %w", err)
	}
	o.graphs[key] = g
	return g, nil
}

// capture makes the table of all stretches and records the step.
func (o *Optimizer) capture(key graphKey) (*updateGraph, error) {
	b := o.backend
	stretches, rounded := o.table(key.gradient)
	size := int(unsafe.Sizeof(kernels.Stretch{})) * len(stretches)
	table, err := b.allocate(size)
	if err != nil {
		return nil, err
	}
	if err := table.Write(unsafe.Slice((*byte)(unsafe.Pointer(&stretches[0])), size)); err != nil {
		return nil, err
	}
	outcome, squares := o.report.at, o.report.at+driver.Pointer(outcomeSize)
	launches := []kernels.Launch{
		kernels.SumSquares(squares, table.at, o.stretches),
		kernels.JudgeStep(outcome, squares, key.loss, o.numbers.at, o.stretches),
	}
	if key.move {
		update := kernels.AdamW
		if o.rule.SGD {
			update = kernels.SGD
		}
		launches = append(launches, update(table.at, o.numbers.at, outcome, o.stretches))
		launches = append(launches, rounded...)
	}
	tasks, err := b.tasks(launches...)
	if err != nil {
		return nil, err
	}
	if err := b.stage.flush(); err != nil {
		return nil, err
	}
	g := &updateGraph{table: table}
	g.graph, err = b.capture(tasks)
	return g, err
}

// table returns all stretches of weights, with a gradient in a given place, and the launches that round what the update itself cannot.
func (o *Optimizer) table(gradient driver.Pointer) (stretches []kernels.Stretch, rounded []kernels.Launch) {
	copies := make(map[driver.Pointer]*narrowed)
	for _, n := range o.backend.narrowed {
		copies[n.master.at] = n
	}
	for _, p := range o.parameters {
		offset := driver.Pointer(4 * p.Begin)
		s := kernels.Stretch{Weights: o.weights.at + offset, Gradient: gradient + offset}
		if !o.rule.SGD {
			s.Moment1, s.Moment2 = o.moments[0].at+offset, o.moments[1].at+offset
			if p.Matrix {
				s.WeightDecay = float32(o.rule.WeightDecay)
			}
		}
		if n := copies[s.Weights]; n != nil {
			if n.columns == kernels.PitchBF16(n.columns) {
				s.Copy = n.copy.at
			} else {
				rounded = append(rounded, kernels.ToBF16(n.copy.at, n.master.at, n.rows, n.columns))
			}
		}
		stretches = append(stretches, kernels.Stretches(s, p.Size)...)
	}
	return stretches, rounded
}

// forget gives back all graphs.
func (o *Optimizer) forget() error {
	if err := o.backend.synchronize(); err != nil {
		return err
	}
	for key, g := range o.graphs {
		if err := errors.Join(g.graph.Close(), g.table.Free()); err != nil {
			return err
		}
		delete(o.graphs, key)
	}
	o.changes = o.backend.changes
	return nil
}
