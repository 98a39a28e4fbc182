package cuda

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
)

// graphKey is what the graph of a step depends on.
type graphKey struct {
	gradient, loss driver.Pointer
	move           bool
}

// updateGraph is a step captured for a gradient in one place. Without other ranks all of it is update.
type updateGraph struct {
	table   *block // of kernels.Stretch: those of this rank
	measure recording
	update  recording
	round   recording // behind the weights of all ranks
}

// recording is a graph; the zero value is one of no work.
type recording struct{ graph driver.Graph }

func (r recording) replay(s driver.Stream) error {
	if r.graph == nil {
		return nil
	}
	return s.Replay(r.graph)
}

func (r recording) close() error {
	if r.graph == nil {
		return nil
	}
	return r.graph.Close()
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

// capture makes the table of stretches and records the step.
func (o *Optimizer) capture(key graphKey) (*updateGraph, error) {
	b := o.backend
	stretches, rounded := o.table(key.gradient)
	g := &updateGraph{}
	if len(stretches) > 0 { // a rank may own nothing
		size := int(unsafe.Sizeof(kernels.Stretch{})) * len(stretches)
		var err error
		if g.table, err = b.allocate(size); err != nil {
			return nil, err
		}
		if err := g.table.Write(unsafe.Slice((*byte)(unsafe.Pointer(&stretches[0])), size)); err != nil {
			return nil, err
		}
	}
	loss := key.loss
	if o.buckets != nil {
		loss = o.squaresAt() + driver.Pointer(4*o.stretches) // of all ranks
	}
	judge := []kernels.Launch{kernels.JudgeStep(o.report.at, o.squaresAt(), loss, o.numbers.at, o.stretches)}
	var measure, update []kernels.Launch
	if n := len(stretches); n > 0 {
		measure = append(measure, kernels.SumSquares(o.squaresAt()+driver.Pointer(4*o.own[0]), g.table.at, n))
		move := kernels.AdamW
		if o.rule.SGD {
			move = kernels.SGD
		}
		update = append(update, move(g.table.at, o.numbers.at, o.report.at, n))
	}
	if !key.move {
		update, rounded = nil, nil
	}
	if o.buckets == nil {
		return g, o.record(&g.update, slices.Concat(measure, judge, update, rounded))
	}
	return g, errors.Join(o.record(&g.measure, measure), o.record(&g.update, slices.Concat(judge, update)), o.record(&g.round, rounded))
}

// record captures launches.
func (o *Optimizer) record(r *recording, launches []kernels.Launch) error {
	if len(launches) == 0 {
		return nil
	}
	b := o.backend
	tasks, err := b.tasks(launches...)
	if err != nil {
		return err
	}
	if err := b.stage.flush(); err != nil {
		return err
	}
	r.graph, err = b.capture(tasks)
	return err
}

// table returns this rank's stretches of weights, with a gradient in a given place, and the launches that round what the update itself cannot:
// weights whose copies have another layout, or are moved by other ranks too.
func (o *Optimizer) table(gradient driver.Pointer) (stretches []kernels.Stretch, rounded []kernels.Launch) {
	copies := make(map[driver.Pointer]*narrowed)
	for _, n := range o.backend.narrowed {
		copies[n.master.at] = n
	}
	for _, p := range o.pieces {
		if p.rank != o.backend.ranks.number() {
			continue
		}
		offset, place := driver.Pointer(4*p.begin), driver.Pointer(4*p.place)
		s := kernels.Stretch{Weights: o.weights.at + offset, Gradient: gradient + offset}
		if !o.rule.SGD {
			s.Moment1, s.Moment2 = o.moments[0].at+place, o.moments[1].at+place
			if o.parameters[p.parameter].Matrix {
				s.WeightDecay = float32(o.rule.WeightDecay)
			}
		}
		if n := copies[s.Weights]; n != nil && o.buckets == nil && n.columns == kernels.PitchBF16(n.columns) {
			s.Copy = n.copy.at
			delete(copies, s.Weights)
		}
		stretches = append(stretches, kernels.Stretches(s, p.size)...)
	}
	for _, p := range o.parameters {
		if n := copies[o.weights.at+driver.Pointer(4*p.Begin)]; n != nil {
			rounded = append(rounded, kernels.ToBF16(n.copy.at, n.master.at, n.rows, n.columns))
		}
	}
	return stretches, rounded
}

// forget gives back all graphs.
func (o *Optimizer) forget() error {
	if err := o.backend.synchronize(); err != nil {
		return err
	}
	for key, g := range o.graphs {
		err := errors.Join(g.measure.close(), g.update.close(), g.round.close())
		if g.table != nil {
			err = errors.Join(err, g.table.Free())
		}
		if err != nil {
			return err
		}
		delete(o.graphs, key)
	}
	o.changes = o.backend.changes
	return nil
}
