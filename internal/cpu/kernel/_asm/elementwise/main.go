// Command elementwise generates the kernels that work on elements and on rows: what a transformer needs besides matrix products
// and attention. Each kernel is written once and emitted for every width of package vec. Its reference is the function of
// the same name in package ref, or the formula in its comment.
package main

import (
	"github.com/mmcloughlin/avo/build"

	"trainer/internal/cpu/kernel/_asm/vec"
)

func main() {
	build.ConstraintExpr("!noasm")
	for _, v := range vec.Widths {
		add(v)
		scale(v)
		dot(v)
		sumRows(v)
		gelu(v)
		geluGrad(v)
		layerNorm(v)
		layerNormGrad(v)
		rmsNorm(v)
		rmsNormGrad(v)
		swiGLU(v)
		swiGLUGrad(v)
		dropout(v)
		rotary(v)
		maximum(v)
		sumExp(v)
		scaledExp(v)
		adamW(v)
		sgd(v)
	}
	build.Generate()
}
