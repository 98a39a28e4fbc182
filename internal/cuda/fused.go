package cuda

import (
	"trainer/internal/cuda/kernels"
	"trainer/internal/op"
)

// What Rewrite puts in the place of ops. Their operands are listed in the order of the instruction; those in brackets may be missing.

// product is op.MatMul with what is done to its sums: c = f(op(a)·op(b) + bias) + addend.
//
//	a, b, [bias], [addend], [pre: read with WithGELUGrad] -> c, [pre: written with WithGELU]
type product struct {
	op.MatMul
	Function kernels.Function
	Addend   bool
}

// bias, addend and pre are where these operands are among the inputs.
func (k product) bias() int { return 2 }

func (k product) addend() int {
	if k.Bias {
		return 3
	}
	return 2
}

func (k product) pre() int {
	if k.Addend {
		return k.addend() + 1
	}
	return k.addend()
}

// dropout is op.Dropout with the residual sum behind it: dst = dropout(x) + addend.
//
//	x, key, rows, [addend] -> dst
type dropout struct {
	op.Dropout
	Addend bool
}

// addend is where it is among the inputs.
func (k dropout) addend() int { return 3 }

// normGrad is op.LayerNormGrad or op.RMSNormGrad with the gradient of what passes by the norm added: dx = gradient + addend.
//
//	x, gamma, dy, [addend] -> dx, dgamma, [dbeta of layer norm], [dx in bfloat16]
type normGrad struct {
	Norm         op.Kernel
	Addend, Copy bool
}

// crossEntropyWithGrad is op.CrossEntropy and op.CrossEntropyGrad, which need not read the logits twice.
//
//	logits, targets, dnll -> dlogits, nll, lse, hit
type crossEntropyWithGrad struct{}

// toBF16 rounds a matrix to bfloat16.
type toBF16 struct{}
