// Command attention writes the attention kernels in assembly: attention_amd64.s and attention_amd64_stubs.go of package kernel.
//
// A kernel handles one block: up to 8 or 16 neighbouring queries of one head of one sequence, against all the keys that they
// see. Scores live transposed, as a column for each key with a lane for each query. Everything follows from that:
//
//   - scores of a key are sums over the head's columns of broadcast key times a column of the transposed queries (dots.go,
//     transpose.go);
//   - the largest score and the sum of a query are elementwise over columns, lanes need no folding (softmax.go);
//   - the products with the probabilities broadcast one of them at a time and take whole rows of values, keys, queries or output
//     gradients as they lie in memory (products.go);
//   - one logarithm serves all queries (log.go).
//
// Start at block.go: forward and backward there name the phases in order.
package main

import (
	"github.com/mmcloughlin/avo/build"

	"trainer/internal/cpu/kernel/_asm/vec"
)

func main() {
	build.ConstraintExpr("!noasm")
	for _, b := range []block{newBlock(vec.AVX2, 8), newBlock(vec.AVX512, 8), newBlock(vec.AVX512, 16)} {
		b.forward()
		b.backward()
	}
	build.Generate()
}
