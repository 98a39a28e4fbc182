package cuda

import (
	"slices"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/op"
	"trainer/internal/vm"
)

// narrow has values kept in bfloat16 wherever all that write and read them can. What products read besides is rounded for them: weights
// once for all runs, gradients by the kernel that computes them.
func (r *rewriter) narrow() {
	for v, narrow := range r.canBeNarrow() {
		if narrow {
			r.program.Values[v].Type = vm.BFloat16
		}
	}
	copies := make(map[int]int) // by value in float32
	for i := range r.program.Instructions {
		if _, ok := r.program.Instructions[i].Kernel.(product); !ok {
			continue
		}
		for operand := range 2 {
			r.replace(i, operand, r.narrowed(r.program.Instructions[i].In[operand], copies))
		}
	}
	// Sums over rows that were rounded for a product read half as much.
	for i := range r.program.Instructions {
		in := &r.program.Instructions[i]
		if _, ok := in.Kernel.(op.SumRows); !ok {
			continue
		}
		if v, ok := copies[in.In[0]]; ok {
			r.replace(i, 0, v)
		}
	}
}

// narrowBiases has products of a library read biases in the type of their results, if the library wants that.
func (r *rewriter) narrowBiases(l *library) {
	if l == nil {
		return
	}
	copies := make(map[int]int)
	for i := range r.program.Instructions {
		k, ok := r.program.Instructions[i].Kernel.(product)
		if !ok || !k.Bias {
			continue
		}
		in := r.program.Instructions[i]
		bias := in.In[k.bias()]
		value := r.program.Values[bias]
		if r.program.Values[in.Out[0]].Type != vm.BFloat16 || value.Place != vm.Input || value.Node.Value() == nil {
			continue
		}
		p := vendorProduct(r.program, &in, k)
		p.BiasElement = driver.BFloat16
		if plan, err := l.plan(p); err == nil && plan != nil {
			r.replace(i, k.bias(), r.narrowed(bias, copies))
		}
	}
}

// narrowed returns a value in bfloat16 with the numbers of v.
func (r *rewriter) narrowed(v int, copies map[int]int) int {
	if r.program.Values[v].Type == vm.BFloat16 {
		return v
	}
	if c, ok := copies[v]; ok {
		return c
	}
	value := r.program.Values[v]
	value.Type = vm.BFloat16
	if value.Place == vm.Input && value.Node.Value() != nil {
		copies[v] = r.add(value)
		return copies[v]
	}
	value.Node, value.Place = nil, vm.Arena
	c := r.add(value)
	copies[v] = c
	if w := r.writer[v]; w >= 0 {
		in := r.program.Instructions[w]
		if k, ok := in.Kernel.(normGrad); ok { // v is dx, its only matrix
			k.Copy = true
			in.Kernel, in.Out = k, append(in.Out[:len(in.Out):len(in.Out)], c)
			r.set(w, in)
			return c
		}
	}
	r.program.Instructions = append(r.program.Instructions, vm.Instruction{})
	r.set(len(r.program.Instructions)-1, vm.Instruction{Kernel: toBF16{}, In: []int{v}, Out: []int{c}})
	return c
}

// canBeNarrow says for each value whether it can be kept in bfloat16.
func (r *rewriter) canBeNarrow() []bool {
	narrow := make([]bool, len(r.program.Values))
	for v := range narrow {
		value := &r.program.Values[v]
		narrow[v] = value.Place == vm.Arena && value.Type == vm.Float32 && value.Shape.Dims() == 2 && r.writer[v] >= 0
	}
	for changed := true; changed; {
		changed = false
		for i := range r.program.Instructions {
			for _, v := range inFloat32(&r.program.Instructions[i], narrow) {
				changed = changed || narrow[v]
				narrow[v] = false
			}
		}
	}
	return narrow
}

// inFloat32 returns the operands of an instruction that must be in float32, given which values are not.
func inFloat32(in *vm.Instruction, narrow []bool) []int {
	types := operandTypes(in)
	operands := slices.Concat(in.In, in.Out)
	wide := false // an operand of those that are alike
	for i, v := range operands {
		wide = wide || types[i] == alike && !narrow[v]
	}
	var list []int
	for i, v := range operands {
		if types[i] == float32Only || types[i] == alike && wide {
			list = append(list, v)
		}
	}
	return list
}

// operandType says in which type an instruction takes an operand.
type operandType int

const (
	float32Only operandType = iota
	either
	alike // either, but that of all operands that are alike
)

// operandTypes are the types of the inputs and results of an instruction, one behind the other.
func operandTypes(in *vm.Instruction) []operandType {
	types := make([]operandType, len(in.In)+len(in.Out))
	mark := func(t operandType, operands ...int) {
		for _, i := range operands {
			types[i] = t
		}
	}
	result := len(in.In)
	switch k := in.Kernel.(type) {
	case product:
		mark(either, 0, 1) // the product reads a copy in bfloat16 where these are in float32
		mark(alike, result)
		if len(in.Out) > 1 {
			mark(alike, result+1)
		}
		if k.Addend {
			mark(alike, k.addend())
		}
		if k.Function == kernels.WithGELUGrad {
			mark(alike, k.pre())
		}
	case dropout:
		mark(either, 0)
		mark(alike, result)
		if k.Addend {
			mark(alike, k.addend())
		}
	case op.SumRows, op.CrossEntropy:
		mark(either, 0)
	case op.Gather, op.ScatterAdd:
		mark(either, 0, result)
	case op.LayerNorm, op.RMSNorm:
		mark(either, result)
	case op.Append:
		mark(either, 1)
	case normGrad:
		mark(either, 2)
	case op.Rotary, op.Attention, op.CachedAttention, op.SwiGLU, op.CrossEntropyGrad, crossEntropyWithGrad:
		mark(alike, 0, result)
	case op.SwiGLUGrad:
		mark(alike, 0, 1, result)
	case op.AttentionGrad:
		mark(alike, 0, 1, 3, result)
	}
	return types
}
