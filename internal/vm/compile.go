package vm

import (
	"cmp"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
)

// Compile builds the program that computes the outputs. Nodes without an op are its inputs: bound to a value (a parameter), or
// written by the caller before a run. The outputs will lie in the output region in the order given, each aligned; so gradients that
// are given in the order of their parameters form one vector. Two outputs must not be one node.
//
// It returns an error for an op that no backend can run, for element types other than float32 and int32, and for an op that updates
// anything but an input, or an input that another node reads.
func Compile(outputs ...*gorgonia.Node) (*Program, error) {
	c := &compiler{program: &Program{}, index: make(map[*gorgonia.Node]int), packed: make(map[*gorgonia.Node][]int)}
	order, err := schedule(outputs)
	if err != nil {
		return nil, err
	}
	for _, n := range order {
		if err := c.add(n); err != nil {
			return nil, fmt.Errorf("node %v: %w", n, err)
		}
	}
	if err := c.markOutputs(outputs); err != nil {
		return nil, err
	}
	if err := c.program.checkUpdates(); err != nil {
		return nil, err
	}
	return c.program, nil
}

// schedule returns the nodes that the outputs depend on, each behind its inputs. It keeps the order in which the graph was
// built: Grad adds the gradients of a node together, so what they share is read while it is still in the cache and dies early.
func schedule(outputs []*gorgonia.Node) ([]*gorgonia.Node, error) {
	seen := make(map[*gorgonia.Node]bool)
	var order []*gorgonia.Node
	stack := slices.Clone(outputs)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		order = append(order, n)
		stack = append(stack, op.Inputs(n)...)
	}
	slices.SortFunc(order, func(a, b *gorgonia.Node) int { return cmp.Compare(a.ID(), b.ID()) })
	done := make(map[*gorgonia.Node]bool, len(order))
	for _, n := range order {
		for _, in := range op.Inputs(n) {
			if !done[in] {
				return nil, fmt.Errorf("node %v was added to the graph before its input %v", n, in)
			}
		}
		done[n] = true
	}
	return order, nil
}

type compiler struct {
	program *Program
	index   map[*gorgonia.Node]int   // the value of a node
	packed  map[*gorgonia.Node][]int // the values of the parts of a node with several results
}

// add appends the values of a node, and the instruction that computes them.
func (c *compiler) add(n *gorgonia.Node) error {
	kernel, err := kernelOf(n)
	if err != nil {
		return err
	}
	v := Value{Node: n, Shape: n.Shape(), Place: Arena}
	switch n.Dtype() {
	case tensor.Float32:
	case tensor.Int32:
		v.Type = Int32
	default:
		return fmt.Errorf("its elements are %v, expected float32 or int32", n.Dtype())
	}
	if kernel == nil {
		v.Place = Input
		if n.Op() != nil {
			v.Place = Constant
		}
		c.index[n] = c.append(v)
		return nil
	}
	inputs := op.Inputs(n)
	if part, ok := kernel.(op.Part); ok {
		return c.resolve(n, part, inputs[0])
	}
	instruction := Instruction{Kernel: kernel, Overwrites: op.Overwrites(kernel)}
	var shapes []tensor.Shape
	for _, in := range inputs {
		i, ok := c.index[in]
		if !ok {
			return fmt.Errorf("its input %v has several results and can only be read by parts", in)
		}
		instruction.In = append(instruction.In, i)
		shapes = append(shapes, in.Shape())
	}
	if parts := op.Results(kernel, shapes); parts != nil {
		for _, part := range parts {
			instruction.Out = append(instruction.Out, c.append(Value{Shape: part.Shape(), Place: Arena}))
		}
		c.packed[n] = instruction.Out
	} else {
		if u := op.Updates(kernel); u >= 0 {
			v.Place, v.State = Updated, c.stateOf(instruction.In[u])
		}
		c.index[n] = c.append(v)
		instruction.Out = []int{c.index[n]}
	}
	c.program.Instructions = append(c.program.Instructions, instruction)
	return nil
}

func (c *compiler) append(v Value) int {
	c.program.Values = append(c.program.Values, v)
	return len(c.program.Values) - 1
}

// stateOf returns the value in whose memory the new state of a value lives: its own, or that of the input which it is the state of.
func (c *compiler) stateOf(v int) int {
	if c.program.Values[v].Place == Updated {
		return c.program.Values[v].State
	}
	return v
}

// checkUpdates returns an error where state does not live in the memory of an input, or where something reads what an instruction updates:
// whether it would see the old or the new state is a question of order alone.
func (p *Program) checkUpdates() error {
	readers := make([]int, len(p.Values))
	for _, in := range p.Instructions {
		for _, v := range in.In {
			readers[v]++
		}
	}
	for _, in := range p.Instructions {
		out := &p.Values[in.Out[0]]
		if out.Place != Updated {
			continue
		}
		if state := &p.Values[out.State]; state.Place != Input {
			return fmt.Errorf("%#v updates %v %v: expected an input of the graph, whose memory lasts", in.Kernel, state, state.Node)
		}
		kernel, _ := in.Kernel.(op.Kernel)
		if v := in.In[op.Updates(kernel)]; readers[v] != 1 {
			return fmt.Errorf("%#v updates %v, which has %d readers: expected the others to read the result", in.Kernel, p.Values[v].Node, readers[v])
		}
	}
	return nil
}

// resolve finds the result that a Part node stands for.
func (c *compiler) resolve(n *gorgonia.Node, part op.Part, packed *gorgonia.Node) error {
	kernel, err := kernelOf(packed)
	if err != nil {
		return err
	}
	var shapes []tensor.Shape
	for _, in := range op.Inputs(packed) {
		shapes = append(shapes, in.Shape())
	}
	for i, p := range op.Results(kernel, shapes) {
		if p == part {
			c.index[n] = c.packed[packed][i]
			c.program.Values[c.index[n]].Node = n
			return nil
		}
	}
	return fmt.Errorf("%v is none of the results of %v", part, packed)
}

// kernelOf returns the kernel of a node, nil for inputs and constants. Grad brings two stock ops of Gorgonia into a graph: the constant 1,
// the gradient of the loss by itself, and the addition of the gradients of a value that is used more than once.
func kernelOf(n *gorgonia.Node) (op.Kernel, error) {
	switch o := n.Op().(type) {
	case nil:
		return nil, nil
	case op.Op:
		return o.Kernel, nil
	default:
		in := op.Inputs(n)
		if len(in) == 0 && n.Value() != nil {
			return nil, nil
		}
		if o.String() == "+ false" && len(in) == 2 && in[0].Shape().Eq(in[1].Shape()) {
			return op.Add{}, nil
		}
		return nil, fmt.Errorf("no backend runs the op %v (%T)", o, o)
	}
}

// markOutputs puts the outputs into the output region.
func (c *compiler) markOutputs(outputs []*gorgonia.Node) error {
	p := c.program
	for _, n := range outputs {
		i, ok := c.index[n]
		if !ok {
			return fmt.Errorf("output %v has several results: ask for its parts", n)
		}
		v := &p.Values[i]
		if v.Place != Arena {
			return fmt.Errorf("output %v is an input of the graph, the state of one, or given twice", n)
		}
		v.Place = Output
		p.Outputs = append(p.Outputs, i)
	}
	return nil
}
