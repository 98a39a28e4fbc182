// Package vm compiles a Gorgonia expression graph into a Program and runs it on a Backend.
//
//	graph, outputs -> Compile -> Program -> New(program, workspace) -> VM -> RunAll
//
// Compile keeps what the outputs need, orders it, and plans where every value lives; the Program knows no device. A Backend turns it into
// calls of its kernels. The same code serves training, where the outputs are the loss and the gradients that gorgonia.Grad
// added to the graph, and inference, where they are the logits. A steady step allocates nothing.
//
// Start at Program, then Compile, then VM.
package vm

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
)

// elementSize is the size of float32 and int32, the element types of a Program, in bytes.
const elementSize = 4

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
)

// Value is a tensor of a Program: what one node of the graph stands for.
type Value struct {
	Node    *gorgonia.Node // nil for a result that no node asks for
	Shape   tensor.Shape
	Integer bool // int32 instead of float32
	Place   Place
	Offset  int // in bytes, in the arena or the output region
}

// Size is the size in bytes.
func (v *Value) Size() int { return v.Shape.TotalSize() * elementSize }

func (v *Value) String() string {
	return fmt.Sprintf("%v %s+%d", v.Shape, [...]string{"input", "constant", "output", "arena"}[v.Place], v.Offset)
}

// Instruction applies a kernel to values and writes its results (see op.Results); the numbers index Program.Values.
type Instruction struct {
	Kernel  op.Kernel
	In, Out []int
}

// Program is a graph ready to run on any backend.
type Program struct {
	Values       []Value
	Instructions []Instruction
	Outputs      []int // the requested outputs, in order
	OutputSize   int   // bytes of the output region
	ArenaSize    int   // bytes of the arena
}

// Index returns the index of the value of a node, or -1 when the program has none.
func (p *Program) Index(n *gorgonia.Node) int {
	for i := range p.Values {
		if p.Values[i].Node == n {
			return i
		}
	}
	return -1
}

// String lists the instructions, with the place of each result.
func (p *Program) String() string {
	var b strings.Builder
	for i, in := range p.Instructions {
		fmt.Fprintf(&b, "%3d  %#v\n", i, in.Kernel)
		for _, o := range in.Out {
			fmt.Fprintf(&b, "       out %v\n", &p.Values[o])
		}
		for _, o := range in.In {
			fmt.Fprintf(&b, "       in  %v\n", &p.Values[o])
		}
	}
	fmt.Fprintf(&b, "arena %d bytes, outputs %d bytes\n", p.ArenaSize, p.OutputSize)
	return b.String()
}
