package cuda

import (
	"slices"

	"trainer/internal/cuda/kernels"
	"trainer/internal/op"
	"trainer/internal/vm"
)

// fuse puts ops together that one kernel can do, so that what one writes need not be read again by the next:
//
//   - GELU, its gradient and the residual connection become part of the product before them, or the residual connection of the dropout
//     between them,
//   - the sum of the gradients on both ways around a norm becomes part of the norm's gradient,
//   - the gradient of cross-entropy is computed with it.
func (r *rewriter) fuse() {
	p := r.program
	for i := range p.Instructions {
		switch k := p.Instructions[i].Kernel.(type) {
		case op.MatMul:
			p.Instructions[i].Kernel = product{MatMul: k}
		case op.Dropout:
			p.Instructions[i].Kernel = dropout{Dropout: k}
		case op.LayerNormGrad:
			p.Instructions[i].Kernel = normGrad{Norm: k}
		case op.RMSNormGrad:
			p.Instructions[i].Kernel = normGrad{Norm: k}
		}
	}
	for i := range p.Instructions {
		switch p.Instructions[i].Kernel.(type) {
		case op.GELU:
			r.fuseGELU(i)
		case op.GELUGrad:
			r.fuseGELUGrad(i)
		case op.Add:
			r.fuseAdd(i)
		case op.CrossEntropyGrad:
			r.fuseCrossEntropy(i)
		}
	}
}

// fuseGELU has the product that computes x compute GELU(x), and write x as well if anybody else reads it.
func (r *rewriter) fuseGELU(i int) {
	gelu := r.program.Instructions[i]
	x := gelu.In[0]
	w := r.writer[x]
	if w < 0 {
		return
	}
	in := r.program.Instructions[w]
	k, ok := in.Kernel.(product)
	if !ok || k.Function != kernels.Plain || k.Addend {
		return
	}
	k.Function = kernels.WithGELU
	in.Kernel, in.Out = k, slices.Clone(gelu.Out)
	r.readers[x]--
	if r.readers[x] > 0 {
		in.Out = append(in.Out, x)
	} else {
		r.program.Values[x].Place = vm.Nowhere
	}
	r.set(w, in)
	r.drop(i)
}

// fuseGELUGrad has the product that computes dy compute dy·GELU'(x). A product with a bias stays alone: libraries have none there.
func (r *rewriter) fuseGELUGrad(i int) {
	grad := r.program.Instructions[i]
	x, dy := grad.In[0], grad.In[1]
	from := r.private(dy)
	if from == nil {
		return
	}
	k, ok := from.Kernel.(product)
	if !ok || k.Function != kernels.Plain || k.Addend || k.Bias {
		return
	}
	k.Function = kernels.WithGELUGrad
	r.take(i, r.writer[dy], vm.Instruction{Kernel: k, In: append(slices.Clone(from.In), x), Out: grad.Out})
}

// fuseAdd has the product, the dropout or the norm's gradient that computes one of the terms add the other.
func (r *rewriter) fuseAdd(i int) {
	add := r.program.Instructions[i]
	for term := range 2 {
		x, addend := add.In[1-term], add.In[term]
		from := r.private(x)
		if from == nil {
			continue
		}
		in := vm.Instruction{In: append(slices.Clone(from.In), addend), Overwrites: []int{len(from.In)}}
		switch k := from.Kernel.(type) {
		case product:
			if k.Function != kernels.Plain || k.Addend {
				continue
			}
			k.Addend = true
			in.Kernel, in.Out = k, add.Out
		case dropout:
			if k.Addend {
				continue
			}
			k.Addend = true
			in.Kernel, in.Out = k, add.Out
		case normGrad:
			if k.Addend {
				continue
			}
			k.Addend = true
			in.Kernel, in.Out = k, append(slices.Clone(add.Out), from.Out[1:]...)
		default:
			continue
		}
		r.take(i, r.writer[x], in)
		return
	}
}

// take puts an instruction in the place of i that also does the work of instruction from.
func (r *rewriter) take(i, from int, in vm.Instruction) {
	r.set(i, in)
	r.drop(from)
}

// fuseCrossEntropy has the gradient compute cross-entropy as well, unless it needs its results.
func (r *rewriter) fuseCrossEntropy(i int) {
	grad := r.program.Instructions[i]
	logits, lse, dnll, targets := grad.In[0], grad.In[1], grad.In[2], grad.In[3]
	w := r.writer[lse]
	if w < 0 {
		return
	}
	from := r.program.Instructions[w]
	if _, ok := from.Kernel.(op.CrossEntropy); !ok || !slices.Equal(from.In, []int{logits, targets}) || r.dependsOn(dnll, w) {
		return
	}
	for _, v := range []int{logits, lse, targets} {
		r.readers[v]--
	}
	r.take(i, w, vm.Instruction{
		Kernel: crossEntropyWithGrad{}, In: []int{logits, targets, dnll}, Out: append(slices.Clone(grad.Out), from.Out...), Overwrites: []int{0},
	})
}

// dependsOn says whether value v is computed from results of instruction i.
func (r *rewriter) dependsOn(v, i int) bool {
	seen := make(map[int]bool)
	var from func(v int) bool
	from = func(v int) bool {
		w := r.writer[v]
		if w < 0 || seen[w] {
			return false
		}
		seen[w] = true
		return w == i || slices.ContainsFunc(r.program.Instructions[w].In, from)
	}
	return from(v)
}
