// Package op holds the transformer's operations as Gorgonia ops: the type, the shape and the symbolic derivative of each.
// The arithmetic is elsewhere: a backend runs a Kernel with its own code, and Do, which Gorgonia's own machines call, runs
// the plain loops of package ref in float64 and is the oracle of the tests.
//
// Activations are matrices [N, C]: the N tokens of all sequences of a batch, packed end to end, so that no padding is
// computed. int32 vectors carry token ids, positions and the offsets where sequences begin.
//
// Start at MatMul for a simple kernel, at Attention for one with several results, at Op for how they meet Gorgonia.
package op

import (
	"fmt"
	"hash"
	"hash/fnv"
	"io"

	"github.com/chewxy/hm"
	"gonum.org/v1/gonum/graph"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Kernel is one operation with its attributes: a small comparable struct, such as Attention{Heads: 4, Context: 12}. Backends
// switch on its type; two kernels that compare equal compute the same.
type Kernel interface {
	signature() signature
	// shape returns the shape of the result, or an error that says which shapes do not fit.
	shape(in []tensor.Shape) (tensor.Shape, error)
	// compute is the reference: it fills out from the inputs.
	compute(out []float64, in operands)
}

// differentiable is a Kernel with a symbolic derivative.
type differentiable interface {
	// wrt says for each input whether there is a derivative.
	wrt() []bool
	// derive returns the gradient of each such input, given the gradient of the output; nil for the others.
	derive(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error)
}

// overwriter is a Kernel whose result may take the memory of an input that nobody reads afterwards.
type overwriter interface{ overwrites() []int }

// Overwrites returns the inputs whose memory the result of k may take: element i of the result depends on element i of
// that input only, or the kernel reads what it needs before it writes.
func Overwrites(k Kernel) []int {
	if o, ok := k.(overwriter); ok {
		return o.overwrites()
	}
	return nil
}

// updater is a Kernel whose result is the new state of an input.
type updater interface{ updates() int }

// Updates returns the input whose memory the result of k lives in, or -1: the kernel writes what is new, and the rest of the result is
// what the input held. An Op's Do leaves its inputs alone and returns a copy.
func Updates(k Kernel) int {
	if u, ok := k.(updater); ok {
		return u.updates()
	}
	return -1
}

// value is the type of an input or result: a tensor of dims dimensions (0 is a scalar), of floats or of int32.
type value struct {
	dims    int
	integer bool
}

func floats(dims int) value { return value{dims: dims} }
func ints(dims int) value   { return value{dims: dims, integer: true} }

func (v value) String() string {
	element := "float32 or float64"
	if v.integer {
		element = "int32"
	}
	return fmt.Sprintf("%s of %d dimensions", element, v.dims)
}

type signature struct {
	in  []value
	out value
}

// operands are the inputs of compute; each is in floats or in ints, by its type.
type operands struct {
	floats [][]float64
	ints   [][]int32
	shapes []tensor.Shape
}

// Op makes a Kernel a gorgonia.Op and gorgonia.SDOp.
type Op struct{ Kernel }

var _ gorgonia.SDOp = Op{}

// Arity is the number of inputs.
func (o Op) Arity() int { return len(o.signature().in) }

// Type is the function type of the op over a float type 'a'; it is a fresh one on each call, since Gorgonia's unification
// returns it to a pool.
func (o Op) Type() hm.Type {
	s := o.signature()
	types := make([]hm.Type, 0, len(s.in)+1)
	for _, v := range append(s.in, s.out) {
		var t hm.Type = hm.TypeVariable('a')
		if v.integer {
			t = tensor.Int32
		}
		if v.dims > 0 {
			t = gorgonia.TensorType{Dims: v.dims, Of: t}
		}
		types = append(types, t)
	}
	return hm.NewFnType(types...)
}

// InferShape returns the shape of the result.
func (o Op) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	shapes, err := gorgonia.DimSizersToShapes(in)
	if err != nil {
		return nil, err
	}
	return o.resultShape(shapes)
}

// resultShape checks the number of dimensions of each input, which Gorgonia's unification of types does not, then their sizes.
func (o Op) resultShape(in []tensor.Shape) (tensor.Shape, error) {
	want := o.signature().in
	if len(in) != len(want) {
		return nil, fmt.Errorf("%v: %d inputs, expected %d", o, len(in), len(want))
	}
	for i, s := range in {
		if s.Dims() != want[i].dims {
			return nil, fmt.Errorf("%v: input %d has shape %v, expected %v", o, i, s, want[i])
		}
	}
	shape, err := o.shape(in)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", o, err)
	}
	return shape, nil
}

// Do computes the op with the reference loops, in float64 whatever the type of the inputs. The error says which input has a
// type or shape that the op does not take.
func (o Op) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	in := operands{floats: make([][]float64, len(values)), ints: make([][]int32, len(values)), shapes: make([]tensor.Shape, len(values))}
	dtype := tensor.Float64
	for i, v := range values {
		in.shapes[i] = v.Shape()
		switch data := v.Data().(type) {
		case []float64:
			in.floats[i] = data
		case float64:
			in.floats[i] = []float64{data}
		case []float32:
			dtype = tensor.Float32
			in.floats[i] = make([]float64, len(data))
			for j, x := range data {
				in.floats[i][j] = float64(x)
			}
		case float32:
			dtype = tensor.Float32
			in.floats[i] = []float64{float64(data)}
		case []int32:
			in.ints[i] = data
		}
	}
	shape, err := o.resultShape(in.shapes)
	if err != nil {
		return nil, err
	}
	for i, want := range o.signature().in {
		if want.integer && in.ints[i] == nil || !want.integer && in.floats[i] == nil {
			return nil, fmt.Errorf("%v: input %d holds %v, expected %v", o, i, values[i].Dtype(), want)
		}
	}
	out := make([]float64, shape.TotalSize())
	o.compute(out, in)
	return newValue(out, shape, dtype), nil
}

func newValue(data []float64, shape tensor.Shape, dtype tensor.Dtype) gorgonia.Value {
	if dtype == tensor.Float64 {
		if shape.IsScalar() {
			return gorgonia.NewF64(data[0])
		}
		return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
	}
	single := make([]float32, len(data))
	for i, x := range data {
		single[i] = float32(x)
	}
	if shape.IsScalar() {
		return gorgonia.NewF32(single[0])
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(single))
}

// ReturnsPtr, CallsExtern and OverwritesInput tell Gorgonia's own machines that Do returns fresh memory.
func (o Op) ReturnsPtr() bool     { return false }
func (o Op) CallsExtern() bool    { return false }
func (o Op) OverwritesInput() int { return -1 }

// String prints the kernel with every attribute; equal strings mean equal kernels.
func (o Op) String() string { return fmt.Sprintf("%#v", o.Kernel) }

// WriteHash writes what tells this op from others. Gorgonia merges nodes by this hash, so every attribute is in it.
func (o Op) WriteHash(h hash.Hash) { io.WriteString(h, o.String()) }

// Hashcode is the 32-bit hash of WriteHash.
func (o Op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// DiffWRT says for each input whether the op has a derivative.
func (o Op) DiffWRT(inputs int) []bool {
	if d, ok := o.Kernel.(differentiable); ok {
		return d.wrt()
	}
	return make([]bool, inputs)
}

// SymDiff returns the gradients of the inputs. Gorgonia does not check them, so their types and shapes are checked here.
func (o Op) SymDiff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	d, ok := o.Kernel.(differentiable)
	if !ok {
		return nil, fmt.Errorf("%v has no derivative", o)
	}
	grads, err := d.derive(in, out, grad)
	if err != nil {
		return nil, fmt.Errorf("derivative of %v: %w", o, err)
	}
	for i, g := range grads {
		if g != nil && (!g.Shape().Eq(in[i].Shape()) || g.Dtype() != in[i].Dtype()) {
			panic(fmt.Sprintf("derivative of %v: gradient %d is %v %v, its input %v %v", o, i, g.Dtype(), g.Shape(), in[i].Dtype(), in[i].Shape()))
		}
	}
	return grads, nil
}

// Apply adds the kernel's node to the graph of its inputs. Gorgonia takes two nodes for one when their 32-bit hashes agree; a
// node that came back with another kernel or other inputs is reported instead of giving a wrong model.
func Apply(k Kernel, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	n, err := gorgonia.ApplyOp(Op{k}, in...)
	if err != nil {
		return nil, err
	}
	if n.Op() != (Op{k}) {
		return nil, fmt.Errorf("the graph merged %v with %v: their hashes collide", Op{k}, n.Op())
	}
	for i, child := range Inputs(n) {
		if child != in[i] {
			return nil, fmt.Errorf("the graph merged two nodes of %v with different inputs: their hashes collide", Op{k})
		}
	}
	return n, nil
}

// Inputs returns the inputs of a node, in order.
func Inputs(n *gorgonia.Node) []*gorgonia.Node {
	children := n.Graph().From(n.ID())
	if children == nil {
		return nil
	}
	var in []*gorgonia.Node
	for _, child := range graph.NodesOf(children) {
		in = append(in, child.(*gorgonia.Node))
	}
	return in
}

func shapes(nodes gorgonia.Nodes) []tensor.Shape {
	s := make([]tensor.Shape, len(nodes))
	for i, n := range nodes {
		s[i] = n.Shape()
	}
	return s
}

// mismatch is the error of a shape method.
func mismatch(want string, got ...tensor.Shape) error {
	return fmt.Errorf("inputs have shapes %v, expected %s", got, want)
}
