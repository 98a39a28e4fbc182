package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A node of a Gorgonia graph has one value. A kernel with several results packs them into one vector, and a Part views each
// of them, so that all data flow stays visible in the graph.

// partAlign is where parts begin: at multiples of 16 elements, which is one cache line and one AVX-512 register of float32.
const partAlign = 16

// packer is a Kernel with several results.
type packer interface {
	// results returns the parts of the packed result, in order, for inputs of the given shapes.
	results(in []tensor.Shape) []Part
}

// Results returns the parts of a kernel's packed result, or nil for a kernel with a single result. A VM may give each part
// memory of its own.
func Results(k Kernel, in []tensor.Shape) []Part {
	if p, ok := k.(packer); ok {
		return p.results(in)
	}
	return nil
}

// pack lays parts out one behind the other: it sets their offsets.
func pack(parts ...Part) []Part {
	offset := 0
	for i := range parts {
		parts[i].Offset = offset
		offset = parts[i].end()
	}
	return parts
}

// packedShape is the shape of a vector of packed parts.
func packedShape(parts []Part) tensor.Shape { return tensor.Shape{parts[len(parts)-1].end()} }

// Part views elements Offset to Offset + Rows·Cols of a packed vector as a matrix [Rows, Cols], or with Cols 0 as a vector
// [Rows]. On our VMs it is no instruction: the kernel writes the part where it is wanted.
type Part struct{ Offset, Rows, Cols int }

func (p Part) size() int { return p.Rows * max(p.Cols, 1) }

// end is where the next part begins.
func (p Part) end() int { return p.Offset + (p.size()+partAlign-1)/partAlign*partAlign }

func (p Part) dims() int {
	if p.Cols == 0 {
		return 1
	}
	return 2
}

// Shape is the shape of the part.
func (p Part) Shape() tensor.Shape {
	if p.Cols == 0 {
		return tensor.Shape{p.Rows}
	}
	return tensor.Shape{p.Rows, p.Cols}
}

func (p Part) signature() signature { return signature{in: []value{floats(1)}, out: floats(p.dims())} }

func (p Part) shape(in []tensor.Shape) (tensor.Shape, error) {
	if p.Offset < 0 || p.Offset+p.size() > in[0].TotalSize() {
		return nil, mismatch(fmt.Sprintf("at least %d elements", p.Offset+p.size()), in...)
	}
	return p.Shape(), nil
}

func (p Part) compute(out []float64, in operands) { copy(out, p.of(in.floats[0])) }

func (p Part) wrt() []bool { return []bool{true} }

func (p Part) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := Apply(PartGrad{Part: p, Total: in[0].Shape().TotalSize()}, grad)
	return gorgonia.Nodes{g}, err
}

// of returns the elements of the part of a packed vector.
func (p Part) of(vector []float64) []float64 { return vector[p.Offset : p.Offset+p.size()] }

// partNodes adds a node for each of the given parts of a packed vector.
func partNodes(vector *gorgonia.Node, parts ...Part) (gorgonia.Nodes, error) {
	nodes := make(gorgonia.Nodes, len(parts))
	for i, p := range parts {
		var err error
		if nodes[i], err = Apply(p, vector); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// PartGrad is the gradient of Part: a vector of Total elements, zero but for the part. The kernel that packed the vector takes
// the part's gradient out of it again (see partGradient), so that no VM ever computes one.
type PartGrad struct {
	Part
	Total int
}

func (p PartGrad) signature() signature {
	return signature{in: []value{floats(p.dims())}, out: floats(1)}
}

func (p PartGrad) shape(in []tensor.Shape) (tensor.Shape, error) {
	if !in[0].Eq(p.Shape()) {
		return nil, mismatch(fmt.Sprint(p.Shape()), in...)
	}
	return tensor.Shape{p.Total}, nil
}

func (p PartGrad) compute(out []float64, in operands) { copy(p.of(out), in.floats[0]) }

func (p PartGrad) wrt() []bool { return []bool{false} }

// partGradient returns the gradient of the part at offset 0, given the gradient of the packed vector: only that part of a kernel's
// results is differentiated.
func partGradient(grad *gorgonia.Node) (*gorgonia.Node, error) {
	if o, ok := grad.Op().(Op); ok {
		if p, ok := o.Kernel.(PartGrad); ok && p.Offset == 0 {
			return Inputs(grad)[0], nil
		}
	}
	return nil, fmt.Errorf("the gradient is %v, expected that of the first part alone: the other parts cannot be differentiated", grad.Op())
}
