package vm

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
)

// Recompute returns a program with the outputs of p, bit by bit, that trades time for a smaller arena: activation checkpointing (Chen et
// al. 2016, "Training Deep Nets with Sublinear Memory Cost"). Of what is computed up to the last of the kept nodes, only their values, the
// inputs and the outputs are read behind it. Whatever else is needed there is computed again from these, in front of its first reader, and
// so need not live in between.
//
// With the residual stream on the borders of the blocks of a transformer as kept, the arena holds these and the activations of one block at
// a time, for one more forward pass less the products that no gradient reads the result of. p stays as it is. A node without a value in p
// panics.
func Recompute(p *Program, kept ...*gorgonia.Node) *Program {
	r := &recomputer{
		old: p, program: &Program{Values: slices.Clone(p.Values), Outputs: p.Outputs},
		writer: slices.Repeat([]int{-1}, len(p.Values)), kept: make([]bool, len(p.Values)), border: -1, again: make(map[int]int),
	}
	for t, in := range p.Instructions {
		for _, v := range in.Out {
			r.writer[v] = t
		}
	}
	for _, n := range kept {
		v := p.Index(n)
		if v < 0 {
			panic(fmt.Sprintf("vm: %v is to be kept, but the program does not compute it", n))
		}
		r.kept[v] = true
		r.border = max(r.border, r.writer[v])
	}
	for t, in := range p.Instructions {
		if t > r.border {
			in.In = r.fresh(in.In)
		}
		r.program.Instructions = append(r.program.Instructions, in)
	}
	return r.program
}

// recomputer is a program on the way through Recompute.
type recomputer struct {
	old, program *Program
	writer       []int  // by value of old: the instruction that computes it, or -1
	kept         []bool // by value of old
	border       int    // the last instruction of old whose results are computed again, or -1
	again        map[int]int
}

// fresh returns what is read behind the border in the place of values of old.
func (r *recomputer) fresh(values []int) []int {
	list := make([]int, len(values))
	for i, v := range values {
		list[i] = v
		if w := r.writer[v]; w >= 0 && w <= r.border && !r.kept[v] && r.old.Values[v].Place == Arena {
			list[i] = r.recomputed(v)
		}
	}
	return list
}

// recomputed returns the value that is computed again for v. The first call appends the instruction, behind those that it needs.
func (r *recomputer) recomputed(v int) int {
	if c, ok := r.again[v]; ok {
		return c
	}
	in := r.old.Instructions[r.writer[v]]
	in.In, in.Out = r.fresh(in.In), slices.Clone(in.Out)
	for i, out := range in.Out {
		in.Out[i] = len(r.program.Values)
		r.again[out] = in.Out[i]
		value := r.old.Values[out]
		value.Place = Arena
		r.program.Values = append(r.program.Values, value)
	}
	r.program.Instructions = append(r.program.Instructions, in)
	return r.again[v]
}
