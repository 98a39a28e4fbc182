package cuda

import (
	"slices"

	"gorgonia.org/tensor"

	"trainer/internal/cuda/kernels"
	"trainer/internal/op"
	"trainer/internal/vm"
)

// Rewrite returns the program as the GPU runs it: with scratch memory for the kernels that need it.
func (b *Backend) Rewrite(p *vm.Program) *vm.Program {
	q := &vm.Program{Values: slices.Clone(p.Values), Instructions: slices.Clone(p.Instructions), Outputs: p.Outputs}
	addScratch(q)
	return q
}

// addScratch gives every instruction the scratch memory of its kernels.
func addScratch(p *vm.Program) {
	for i := range p.Instructions {
		in := &p.Instructions[i]
		x := &p.Values[in.In[0]]
		floats := 0
		switch k := in.Kernel.(type) {
		case op.MatMul:
			floats = kernels.MatMulF32Scratch(productOf(k, x, &p.Values[in.In[1]]))
		case op.SumRows:
			floats = kernels.RowParts(x.Rows()) * x.Columns()
		case op.LayerNormGrad:
			floats = kernels.LayerNormScratch(x.Rows(), x.Columns())
		case op.AttentionGrad:
			floats = k.Heads * x.Rows()
		}
		if floats > 0 {
			in.Scratch = []int{len(p.Values)}
			p.Values = append(p.Values, vm.Value{Shape: tensor.Shape{floats}, Place: vm.Arena})
		}
	}
}
