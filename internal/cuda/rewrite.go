package cuda

import (
	"slices"

	"gorgonia.org/tensor"

	"trainer/internal/cuda/kernels"
	"trainer/internal/op"
	"trainer/internal/vm"
)

// Rewrite returns the program as the GPU runs it: ops put together into fewer kernels, with BF16 values in bfloat16, and scratch memory for
// the kernels that need it.
func (b *Backend) Rewrite(p *vm.Program) *vm.Program {
	r := newRewriter(p)
	r.fuse()
	if b.options.Precision == BF16 {
		r.narrow()
		r.narrowBiases(b.library)
	}
	r.order()
	b.addScratch(r.program)
	return r.program
}

// rewriter is a program that is being rewritten.
type rewriter struct {
	program *vm.Program
	writer  []int // by value: the instruction that computes it, or -1
	readers []int // by value: how many operands it is, the outputs of the program included
}

func newRewriter(p *vm.Program) *rewriter {
	r := &rewriter{
		program: &vm.Program{Values: slices.Clone(p.Values), Instructions: slices.Clone(p.Instructions), Outputs: p.Outputs},
		writer:  slices.Repeat([]int{-1}, len(p.Values)), readers: make([]int, len(p.Values)),
	}
	for i, in := range p.Instructions {
		for _, v := range in.Out {
			r.writer[v] = i
		}
		for _, v := range in.In {
			r.readers[v]++
		}
	}
	for _, v := range p.Outputs {
		r.readers[v]++
	}
	return r
}

// add appends a value.
func (r *rewriter) add(v vm.Value) int {
	r.program.Values = append(r.program.Values, v)
	r.writer, r.readers = append(r.writer, -1), append(r.readers, 0)
	return len(r.program.Values) - 1
}

// private returns the instruction whose first result v is, if v is read once in the program; else nil.
func (r *rewriter) private(v int) *vm.Instruction {
	if r.writer[v] < 0 || r.readers[v] != 1 {
		return nil
	}
	if in := &r.program.Instructions[r.writer[v]]; in.Out[0] == v {
		return in
	}
	return nil
}

// set puts an instruction at i.
func (r *rewriter) set(i int, in vm.Instruction) {
	for _, v := range in.Out {
		r.writer[v] = i
	}
	r.program.Instructions[i] = in
}

// drop takes an instruction out whose work another does. Its results that nobody computes now are nowhere.
func (r *rewriter) drop(i int) {
	for _, v := range r.program.Instructions[i].Out {
		if r.writer[v] == i {
			r.writer[v] = -1
			r.program.Values[v].Place = vm.Nowhere
		}
	}
	r.program.Instructions[i] = vm.Instruction{}
}

// replace gives an instruction another input.
func (r *rewriter) replace(i, operand, v int) {
	in := &r.program.Instructions[i]
	in.In = slices.Clone(in.In)
	in.In[operand] = v
}

// order puts every instruction behind those whose results it reads, and otherwise leaves the order as it is. Instructions that were
// taken out are gone then.
func (r *rewriter) order() {
	var ordered []vm.Instruction
	done := make([]bool, len(r.program.Instructions))
	var place func(i int)
	place = func(i int) {
		in := r.program.Instructions[i]
		if done[i] || in.Kernel == nil {
			return
		}
		done[i] = true
		for _, v := range in.In {
			if w := r.writer[v]; w >= 0 {
				place(w)
			}
		}
		ordered = append(ordered, in)
	}
	for i := range r.program.Instructions {
		place(i)
	}
	r.program.Instructions = ordered
}

// addScratch gives every instruction the scratch memory of its kernels.
func (b *Backend) addScratch(p *vm.Program) {
	for i := range p.Instructions {
		if words := b.scratch(p, &p.Instructions[i]); words > 0 {
			p.Instructions[i].Scratch = []int{len(p.Values)}
			p.Values = append(p.Values, vm.Value{Shape: tensor.Shape{words}, Place: vm.Arena})
		}
	}
}

// scratch is the number of 32-bit words that the kernels of an instruction need.
func (b *Backend) scratch(p *vm.Program, in *vm.Instruction) int {
	x := &p.Values[in.In[0]]
	switch k := in.Kernel.(type) {
	case product:
		return b.productScratch(p, in, k)
	case op.SumRows:
		return kernels.RowParts(x.Rows()) * x.Columns()
	case normGrad:
		if _, ok := k.Norm.(op.RMSNormGrad); ok {
			return kernels.RMSNormScratch(x.Rows(), x.Columns())
		}
		return kernels.LayerNormScratch(x.Rows(), x.Columns())
	case op.AttentionGrad:
		return k.Heads * x.Rows()
	case op.ScatterAdd:
		return kernels.ScatterAddScratch(x.Rows(), k.Rows)
	}
	return 0
}
