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

// in and out are the addresses of operands; inFloats and outFloats say their types as well.
func (c *binding) in(i int) kernels.Pointer  { return c.memory[c.In[i]].(*block).at }
func (c *binding) out(i int) kernels.Pointer { return c.memory[c.Out[i]].(*block).at }

func (c *binding) inFloats(i int) kernels.Floats {
	return kernels.Floats{At: c.in(i), BF16: c.value(i).Type == vm.BFloat16}
}

func (c *binding) outFloats(i int) kernels.Floats {
	return kernels.Floats{At: c.out(i), BF16: c.program.Values[c.Out[i]].Type == vm.BFloat16}
}

// value is an input.
func (c *binding) value(i int) *vm.Value { return &c.program.Values[c.In[i]] }

// scratch is the address of the scratch memory, 0 without.
func (c *binding) scratch() kernels.Pointer {
	if len(c.Scratch) == 0 {
		return 0
	}
	return c.memory[c.Scratch[0]].(*block).at
}

// tasksOf returns the work of the instruction; none where its first result has no elements.
func (c *binding) tasksOf() ([]task, error) {
	if c.program.Values[c.Out[0]].Size() == 0 {
		return nil, nil
	}
	if k, ok := c.Kernel.(product); ok {
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
		return kernels.SumRows(c.out(0), c.inFloats(0), c.scratch(), rows, columns), nil
	case op.Gather:
		return one(kernels.Gather(c.outFloats(0), c.inFloats(0), c.in(1), c.value(1).Columns(), columns))
	case op.ScatterAdd:
		return kernels.ScatterAdd(c.outFloats(0), c.inFloats(0), c.in(1), c.scratch(), rows, k.Rows, columns), nil
	case op.Add:
		return one(kernels.Add(c.out(0), c.in(0), c.in(1), n))
	case op.GELU:
		return one(kernels.GELU(c.out(0), c.in(0), n))
	case op.GELUGrad:
		return one(kernels.GELUGrad(c.out(0), c.in(0), c.in(1), n))
	case op.SwiGLU:
		return one(kernels.SwiGLU(c.outFloats(0), c.inFloats(0), rows, columns/2))
	case op.SwiGLUGrad:
		return one(kernels.SwiGLUGrad(c.outFloats(0), c.inFloats(0), c.inFloats(1), rows, columns/2))
	case op.Scale:
		return one(kernels.Scale(c.out(0), c.in(0), c.in(1), n))
	case op.WeightedSum:
		return one(kernels.WeightedSum(c.out(0), c.in(0), c.in(1), n))
	case op.LayerNorm:
		return one(kernels.LayerNorm(c.outFloats(0), c.in(0), c.in(1), c.in(2), rows, columns, float32(k.Epsilon)))
	case op.RMSNorm:
		return one(kernels.RMSNorm(c.outFloats(0), c.in(0), c.in(1), rows, columns, float32(k.Epsilon)))
	case dropout:
		return one(c.dropout(k, rows, columns))
	case normGrad:
		return c.normGrad(k), nil
	case op.Rotary:
		return c.rotary(k)
	case op.Attention:
		return c.attention(k)
	case op.AttentionGrad:
		return c.attentionGrad(k)
	case op.Append:
		s, err := c.cached(k.Heads, k.KVHeads, 1, 0)
		if err != nil {
			return nil, err
		}
		return one(kernels.Append(c.out(0), c.inFloats(1), c.in(2), s))
	case op.CachedAttention:
		s, err := c.cached(k.Heads, k.KVHeads, 0, 1)
		if err != nil {
			return nil, err
		}
		s.Count = c.value(3).Columns()
		return one(kernels.CachedAttention(c.outFloats(0), c.inFloats(0), c.in(1), c.in(2), c.in(3), c.in(4), s))
	case op.CrossEntropy:
		return one(kernels.CrossEntropy(c.out(0), c.out(1), c.out(2), c.inFloats(0), c.in(1), rows, columns))
	case op.CrossEntropyGrad:
		return one(kernels.CrossEntropyGrad(c.outFloats(0), c.inFloats(0), c.in(1), c.in(2), c.in(3), rows, columns))
	case crossEntropyWithGrad:
		return one(kernels.CrossEntropyWithGrad(c.out(1), c.out(2), c.out(3), c.outFloats(0), c.inFloats(0), c.in(2), c.in(1), rows, columns))
	case toBF16:
		return one(kernels.ToBF16(c.out(0), c.in(0), rows, columns))
	}
	return nil, fmt.Errorf("the CUDA backend has no kernel for it")
}

func one(l kernels.Launch) ([]kernels.Launch, error) { return []kernels.Launch{l}, nil }

func (c *binding) dropout(k dropout, rows, columns int) kernels.Launch {
	var addend kernels.Pointer
	if k.Addend {
		addend = c.in(k.addend())
	}
	m := kernels.Mask{Rate: k.Rate, Salt: k.Salt, Key: c.in(1), Numbers: c.in(2)}
	return kernels.Dropout(c.outFloats(0), c.inFloats(0), addend, rows, columns, m)
}

func (c *binding) normGrad(k normGrad) []kernels.Launch {
	var addend, inBF16 kernels.Pointer
	if k.Addend {
		addend = c.in(3)
	}
	if k.Copy {
		inBF16 = c.out(len(c.Out) - 1)
	}
	rows, columns := c.value(0).Rows(), c.value(0).Columns()
	if n, ok := k.Norm.(op.RMSNormGrad); ok {
		return kernels.RMSNormGrad(kernels.RMSNormGradient{
			DX: c.out(0), Copy: inBF16, DGamma: c.out(1), X: c.in(0), Gamma: c.in(1), DY: c.inFloats(2), Addend: addend, Scratch: c.scratch(),
		}, rows, columns, float32(n.Epsilon))
	}
	return kernels.LayerNormGrad(kernels.LayerNormGradient{
		DX: c.out(0), Copy: inBF16, DGamma: c.out(1), DBeta: c.out(2), X: c.in(0), Gamma: c.in(1), DY: c.inFloats(2), Addend: addend,
		Scratch: c.scratch(),
	}, rows, columns, float32(k.Norm.(op.LayerNormGrad).Epsilon))
}

func (c *binding) rotary(k op.Rotary) ([]kernels.Launch, error) {
	x := c.value(0)
	headDim := k.HeadDim(x.Columns())
	table, err := c.rotation(k, headDim)
	if err != nil {
		return nil, err
	}
	r := kernels.Rotation{Heads: k.Turned(), HeadDim: headDim, Inverse: k.Inverse}
	return one(kernels.Rotary(c.outFloats(0), c.inFloats(0), c.in(1), table.cosine.at, table.sine.at, x.Rows(), x.Columns(), r))
}

func (c *binding) attention(k op.Attention) ([]kernels.Launch, error) {
	s, err := c.sequences(k, 1)
	if err != nil {
		return nil, err
	}
	if c.inFloats(0).BF16 {
		return one(kernels.AttentionBF16(c.out(0), c.out(1), c.in(0), c.in(1), s))
	}
	return one(kernels.Attention(c.out(0), c.out(1), c.in(0), c.in(1), s))
}

func (c *binding) attentionGrad(k op.AttentionGrad) ([]kernels.Launch, error) {
	s, err := c.sequences(op.Attention(k), 4)
	if err != nil {
		return nil, err
	}
	grad := kernels.AttentionGrad
	if c.inFloats(0).BF16 {
		grad = kernels.AttentionGradBF16
	}
	return grad(c.out(0), c.in(0), c.in(1), c.in(2), c.in(3), c.scratch(), c.in(4), s), nil
}

// cached is the shape of a cache, one operand, and of what meets it, another.
func (c *binding) cached(heads, kvHeads, qkv, cache int) (kernels.Cached, error) {
	table := c.value(cache)
	s := kernels.Cached{
		Rows: c.value(qkv).Rows(), Heads: heads, KVHeads: kvHeads, HeadDim: table.Columns(), Places: op.Places(table.Shape, kvHeads),
	}
	return s, checkHeadDim(s.HeadDim)
}

// sequences is the shape of an attention whose input 0 is qkv and whose input `offsets` says where sequences begin.
func (c *binding) sequences(k op.Attention, offsets int) (kernels.Sequences, error) {
	qkv := c.value(0)
	s := kernels.Sequences{
		Rows: qkv.Rows(), Count: c.value(offsets).Columns() - 1, Heads: k.Heads, KVHeads: k.KVHeads, HeadDim: k.HeadDim(qkv.Columns()),
	}
	return s, checkHeadDim(s.HeadDim)
}

// checkHeadDim returns an error for heads that are too large for the kernels.
func checkHeadDim(columns int) error {
	if columns > kernels.MaxHeadDim {
		return fmt.Errorf("heads of %d columns (width / heads): the CUDA kernels of attention take at most %d: "+
			"choose more heads, or -device=cpu", columns, kernels.MaxHeadDim)
	}
	return nil
}
