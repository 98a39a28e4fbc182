// Package vm compiles a Gorgonia expression graph into a Program and runs it on a Backend.
//
//	graph, outputs -> Compile -> Program -> New(program, workspace) -> VM -> RunAll
//
// Compile keeps what the outputs need and orders it; the Program knows no device. New lets the Backend rewrite it, plans where every value
// lives (Plan), and has the backend turn it into calls of its kernels. The same code serves training, where the outputs are the loss and
// the gradients that gorgonia.Grad added to the graph, and inference, where they are the logits. A steady step allocates nothing.
//
// A program leaves nothing behind but its outputs, with one exception: the result of an op that updates an input (op.Updates), such as the
// cache of keys and values of generation, lives in that input's memory. It is state that the next run finds there, and another program
// too which New is given the same memory for. Compile sees to it that nobody else reads what is updated, so the state before the update is not
// mistaken for the one behind it.
//
// Start at Program, then Compile, then VM.
package vm

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Type is the type of a value's elements.
type Type int

const (
	Float32 Type = iota
	Int32
	BFloat16 // rows of a matrix begin at multiples of 8 elements, and what is between them is never read; only a Rewriter asks for it
)

// Size is the size of an element in bytes.
func (t Type) Size() int { return [...]int{Float32: 4, Int32: 4, BFloat16: 2}[t] }

func (t Type) String() string {
	return [...]string{Float32: "float32", Int32: "int32", BFloat16: "bfloat16"}[t]
}

// Alignment is the alignment of every value in bytes: a cache line, and an AVX-512 register.
const Alignment = 64

// Align rounds a size in bytes up to a multiple of Alignment.
func Align(size int) int { return (size + Alignment - 1) / Alignment * Alignment }

// Place says which memory holds a value.
type Place int

const (
	Input    Place = iota // its own memory: a parameter, or data that the caller writes before a run
	Constant              // its own memory, written once
	Output                // the output region: kept until the next run
	Arena                 // the arena: gone when its last reader has run
	Nowhere               // none: a Rewriter has left it out
	Updated               // the memory of an Input, whose new state it is: kept until it is updated again, in another run too
)

// Value is a tensor of a Program: what one node of the graph stands for.
type Value struct {
	Node  *gorgonia.Node // nil for a result that no node asks for
	Shape tensor.Shape
	Type  Type
	Place Place
	State int // of an Updated value: the Input whose memory it has
}

// Pitch is the number of elements from the beginning of a row to that of the next; a vector is one row.
func (v *Value) Pitch() int {
	const granule = 8 // 16 bytes
	if v.Type == BFloat16 {
		return (v.Columns() + granule - 1) / granule * granule
	}
	return v.Columns()
}

// Rows is the number of rows: 1 of a vector or scalar.
func (v *Value) Rows() int {
	if v.Shape.Dims() < 2 {
		return 1
	}
	return v.Shape[0]
}

// Columns is the number of elements of a row.
func (v *Value) Columns() int {
	if v.Shape.Dims() < 2 {
		return v.Shape.TotalSize()
	}
	return v.Shape[1]
}

// Size is the size in bytes.
func (v *Value) Size() int { return v.Rows() * v.Pitch() * v.Type.Size() }

func (v *Value) String() string {
	return fmt.Sprintf("%v %v %s", v.Type, v.Shape, [...]string{"input", "constant", "output", "arena", "nowhere", "updated"}[v.Place])
}

// Instruction applies a kernel to values and writes its results (see op.Results); the numbers index Program.Values.
type Instruction struct {
	Kernel     any // an op.Kernel, or what a Rewriter has put in the place of several
	In, Out    []int
	Overwrites []int // of In by position: the first result may take the memory of these, see op.Overwrites
	Scratch    []int // values in the arena that hold something while the instruction runs; only a Rewriter asks for them
}

// Program is a graph ready to run on any backend. Nothing changes it, so that many VMs can share it.
type Program struct {
	Values       []Value
	Instructions []Instruction
	Outputs      []int // the requested outputs, in order
}

// Index returns the index of the value of a node, or -1 when the program has none. Of several it is the first: a Rewriter appends copies.
func (p *Program) Index(n *gorgonia.Node) int {
	for i := range p.Values {
		if p.Values[i].Node == n {
			return i
		}
	}
	return -1
}

// Writers are the instructions behind which the outputs are final, by output: nothing writes an output twice.
func (p *Program) Writers() []int {
	writer := make(map[int]int)
	for t, in := range p.Instructions {
		for _, v := range in.Out {
			writer[v] = t
		}
	}
	list := make([]int, len(p.Outputs))
	for i, v := range p.Outputs {
		list[i] = writer[v]
	}
	return list
}

// String lists the instructions with their operands.
func (p *Program) String() string {
	var b strings.Builder
	for i, in := range p.Instructions {
		fmt.Fprintf(&b, "%3d  %#v\n", i, in.Kernel)
		for _, list := range []struct {
			name   string
			values []int
		}{{"out", in.Out}, {"in", in.In}, {"scratch", in.Scratch}} {
			for _, v := range list.values {
				fmt.Fprintf(&b, "       %-8s %4d %v\n", list.name, v, &p.Values[v])
			}
		}
	}
	return b.String()
}
