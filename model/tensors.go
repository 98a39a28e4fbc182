package model

import "slices"

// Tensor is a tensor of weights, or of what stands in their place, as files have it.
type Tensor struct {
	Name  string
	Shape []int
	Value []float32 // row-major
}

// Tensors are the weights as Hugging Face saves them, in the order of the stages: what is one product here may be several there. The fixed table
// of Sinusoidal positions is the last; a tied head is left out.
func (m *Model) Tensors() []Tensor {
	var list []Tensor
	for i := range m.Parameters {
		p := &m.Parameters[i]
		list = append(list, p.Tensors(p.Value)...)
	}
	if m.fixed != nil {
		list = append(list, Tensor{wpe, []int{m.Config.Context, m.Config.Width}, m.fixed})
	}
	return list
}

// Tensors are what files hold of p: p itself, or several tensors with some of its rows each, one behind the other. Their values are views into
// those given, p.Value or what stands in its place, such as its gradient.
func (p *Parameter) Tensors(values []float32) []Tensor {
	if p.packed == nil {
		return []Tensor{{p.Name, p.Shape, values}}
	}
	list := slices.Clone(p.packed)
	for i := range list {
		size := list[i].Shape[0] * list[i].Shape[1]
		list[i].Value, values = values[:size], values[size:]
	}
	return list
}
