package cuda

import (
	"fmt"

	"trainer/internal/cuda/kernels"
	"trainer/internal/op"
	"trainer/internal/vm"
)

// binding is an instruction on its way to launches.
type binding struct {
	*Backend
	*vm.Instruction
	program *vm.Program
	memory  []vm.Memory
}

// in, out and scratch are the addresses of operands; value is an input.
func (c *binding) in(i int) kernels.Pointer      { return c.memory[c.In[i]].(*block).at }
func (c *binding) out(i int) kernels.Pointer     { return c.memory[c.Out[i]].(*block).at }
func (c *binding) scratch(i int) kernels.Pointer { return c.memory[c.Scratch[i]].(*block).at }
func (c *binding) value(i int) *vm.Value         { return &c.program.Values[c.In[i]] }

// tasksOf returns the work of the instruction; none where its first result has no elements.
func (c *binding) tasksOf() ([]task, error) {
	if c.program.Values[c.Out[0]].Size() == 0 {
		return nil, nil
	}
	if k, ok := c.Kernel.(op.MatMul); ok {
		return c.product(k)
	}
	launches, err := c.launches()
	if err != nil {
		return nil, err
	}
	return c.tasks(launches...)
}

// launches returns the launches of kernels that compute the instruction.
func (c *binding) launches() ([]kernels.Launch, error) {
	x := c.value(0)
	rows, columns, n := x.Rows(), x.Columns(), x.Shape.TotalSize()
	switch k := c.Kernel.(type) {
	case op.SumRows:
		return kernels.SumRows(c.out(0), c.in(0), c.scratch(0), rows, columns), nil
	case op.Gather:
		return one(kernels.Gather(c.out(0), c.in(0), c.in(1), c.value(1).Columns(), columns))
	case op.ScatterAdd:
		return one(kernels.ScatterAdd(c.out(0), c.in(0), c.in(1), rows, k.Rows, columns))
	case op.Add:
		return one(kernels.Add(c.out(0), c.in(0), c.in(1), n))
	case op.GELU:
		return one(kernels.GELU(c.out(0), c.in(0), n))
	case op.GELUGrad:
		return one(kernels.GELUGrad(c.out(0), c.in(0), c.in(1), n))
	case op.Scale:
		return one(kernels.Scale(c.out(0), c.in(0), c.in(1), n))
	case op.WeightedSum:
		return one(kernels.WeightedSum(c.out(0), c.in(0), c.in(1), n))
	case op.LayerNorm:
		return one(kernels.LayerNorm(c.out(0), c.in(0), c.in(1), c.in(2), rows, columns, float32(k.Epsilon)))
	case op.LayerNormGrad:
		return kernels.LayerNormGrad(c.out(0), c.out(1), c.out(2), c.in(0), c.in(1), c.in(2), c.scratch(0), rows, columns, float32(k.Epsilon)), nil
	case op.Rotary:
		return c.rotary(k)
	case op.Attention:
		s, err := c.sequences(k.Heads, 1)
		if err != nil {
			return nil, err
		}
		return one(kernels.Attention(c.out(0), c.out(1), c.in(0), c.in(1), s))
	case op.AttentionGrad:
		s, err := c.sequences(k.Heads, 4)
		if err != nil {
			return nil, err
		}
		return kernels.AttentionGrad(c.out(0), c.in(0), c.in(1), c.in(2), c.in(3), c.scratch(0), c.in(4), s), nil
	case op.CrossEntropy:
		return one(kernels.CrossEntropy(c.out(0), c.out(1), c.out(2), c.in(0), c.in(1), rows, columns))
	case op.CrossEntropyGrad:
		return one(kernels.CrossEntropyGrad(c.out(0), c.in(0), c.in(1), c.in(2), c.in(3), rows, columns))
	}
	return nil, fmt.Errorf("the CUDA backend has no kernel for it")
}

func one(l kernels.Launch) ([]kernels.Launch, error) { return []kernels.Launch{l}, nil }

func (c *binding) rotary(k op.Rotary) ([]kernels.Launch, error) {
	x := c.value(0)
	headDim := x.Columns() / (3 * k.Heads)
	table, err := c.rotation(k, headDim)
	if err != nil {
		return nil, err
	}
	r := kernels.Rotation{Heads: 2 * k.Heads, HeadDim: headDim, Inverse: k.Inverse}
	return one(kernels.Rotary(c.out(0), c.in(0), c.in(1), table.cosine.at, table.sine.at, x.Rows(), x.Columns(), r))
}

// sequences is the shape of an attention whose input 0 is qkv and whose given input is offsets.
func (c *binding) sequences(heads, offsets int) (kernels.Sequences, error) {
	qkv := c.value(0)
	s := kernels.Sequences{Rows: qkv.Rows(), Count: c.value(offsets).Columns() - 1, Heads: heads, HeadDim: qkv.Columns() / (3 * heads)}
	if s.HeadDim > kernels.MaxHeadDim {
		return s, fmt.Errorf("heads of %d columns (width / heads): the CUDA kernels of attention take at most %d: "+
			"choose more heads, or -device=cpu", s.HeadDim, kernels.MaxHeadDim)
	}
	return s, nil
}

// product is made by the library, or by the kernel where there is no library or it lacks the product.
func (c *binding) product(k op.MatMul) ([]task, error) {
	p := productOf(k, c.value(0), c.value(1))
	e := kernels.Epilogue{}
	if k.Bias {
		e.Bias = c.in(2)
	}
	scratch := kernels.Pointer(0)
	if kernels.MatMulF32Scratch(p) > 0 {
		scratch = c.scratch(0)
	}
	return c.tasks(kernels.MatMulF32(c.out(0), c.in(0), c.in(1), scratch, p, e)...)
}

// productOf is the shape of a product of two values.
func productOf(k op.MatMul, a, b *vm.Value) kernels.Product {
	m, n, depth := k.Sizes(a.Shape, b.Shape)
	return kernels.Product{M: m, N: n, K: depth, TransA: k.TransA, TransB: k.TransB}
}
