package model

import "slices"

// Tensor is a tensor of weights as files have it.
type Tensor struct {
	Name  string
	Shape []int
	Value []float32 // row-major view into the model's weights
}

// Tensors are the weights as Hugging Face saves them, in the order of the stages: what is one product here may be several there. The fixed table
// of Sinusoidal positions is the last; a tied head is left out.
func (m *Model) Tensors() []Tensor {
	var list []Tensor
	for i := range m.Parameters {
		list = append(list, m.Parameters[i].tensors()...)
	}
	if m.fixed != nil {
		list = append(list, Tensor{wpe, []int{m.Config.Context, m.Config.Width}, m.fixed})
	}
	return list
}

// tensors are what files hold of p: p itself, or several with some rows each, one behind the other.
func (p *Parameter) tensors() []Tensor {
	if p.packed == nil {
		return []Tensor{{p.Name, p.Shape, p.Value}}
	}
	list, rest := slices.Clone(p.packed), p.Value
	for i := range list {
		size := list[i].Shape[0] * list[i].Shape[1]
		list[i].Value, rest = rest[:size], rest[size:]
	}
	return list
}
