package cuda

import (
	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/vm"
)

// shape is the shape of the product that an instruction makes.
func (k product) shape(p *vm.Program, in *vm.Instruction) kernels.Product {
	m, n, depth := k.Sizes(p.Values[in.In[0]].Shape, p.Values[in.In[1]].Shape)
	return kernels.Product{M: m, N: n, K: depth, TransA: k.TransA, TransB: k.TransB}
}

// vendorProduct describes the product to a library.
func vendorProduct(p *vm.Program, in *vm.Instruction, k product) driver.Product {
	element := func(v int) driver.Element {
		if p.Values[v].Type == vm.BFloat16 {
			return driver.BFloat16
		}
		return driver.Float32
	}
	a, b, c := in.In[0], in.In[1], in.Out[0]
	d := driver.Product{
		Product: k.shape(p, in), In: element(a), Out: element(c), PitchA: p.Values[a].Pitch(), PitchB: p.Values[b].Pitch(),
		PitchC: p.Values[c].Pitch(), Bias: k.Bias, Addend: k.Addend,
		Epilogue: k.Function,
	}
	if k.Bias {
		d.BiasElement = element(in.In[k.bias()])
	}
	return d
}

// plan returns the library's product for an instruction, nil without a library or where it has none.
func (b *Backend) plan(p *vm.Program, in *vm.Instruction, k product) (driver.MatMulPlan, error) {
	if b.library == nil {
		return nil, nil
	}
	return b.library.plan(vendorProduct(p, in, k))
}

// productScratch is the number of 32-bit words that a product needs: room for its parts, or for the sums before GELU, which the library
// writes even if nobody reads them. An error of the library comes up when the product is bound.
func (b *Backend) productScratch(p *vm.Program, in *vm.Instruction, k product) int {
	if plan, err := b.plan(p, in, k); plan != nil || err != nil {
		if k.Function == kernels.WithGELU && len(in.Out) == 1 {
			return (p.Values[in.Out[0]].Size() + 3) / 4
		}
		return 0
	}
	if p.Values[in.In[0]].Type == vm.BFloat16 {
		return kernels.MatMulBF16Scratch(k.shape(p, in))
	}
	return kernels.MatMulF32Scratch(k.shape(p, in))
}

// product is made by the library, or by a kernel where there is no library or it lacks the product.
func (c *binding) product(k product) ([]task, error) {
	e := kernels.Epilogue{Function: k.Function}
	if k.Bias {
		e.Bias = c.in(k.bias())
	}
	if k.Addend {
		e.Addend = c.in(k.addend())
	}
	if k.Function == kernels.WithGELUGrad {
		e.Pre = c.inFloats(k.pre())
	} else if len(c.Out) > 1 {
		e.Pre = c.outFloats(1)
	}
	plan, err := c.plan(c.program, c.Instruction, k)
	if err != nil {
		return nil, err
	}
	if plan != nil {
		o := driver.MatMulOperands{
			A: c.in(0), B: c.in(1), C: c.out(0), Bias: e.Bias, Addend: e.Addend, Pre: e.Pre.At, Workspace: c.library.workspace,
		}
		if k.Function == kernels.WithGELU && o.Pre == 0 {
			o.Pre = c.scratch()
		}
		return []task{{plan: plan, operands: o}}, nil
	}
	shape := k.shape(c.program, c.Instruction)
	if c.inFloats(0).BF16 {
		return c.tasks(kernels.MatMulBF16(c.outFloats(0), c.in(0), c.in(1), c.scratch(), shape, e)...)
	}
	return c.tasks(kernels.MatMulF32(c.out(0), c.in(0), c.in(1), c.scratch(), shape, e)...)
}
