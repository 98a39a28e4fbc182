package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

// block is the shape of a kernel: its vectors, and how many queries it holds at most. A column, the scores of one key, has a
// lane for each query. With 8 queries and AVX-512, arithmetic on scores takes the columns of two keys at once.
type block struct {
	vec.Vec
	queries       int
	keyMinusQuery operand.Mem // key - query - 1, lane by lane, for the first vector of columns of a block that starts at query 0
}

// newBlock emits the shape's data.
func newBlock(v vec.Vec, queries int) block {
	data := build.GLOBL(fmt.Sprintf("key_minus_query_%d_%d", queries, v.Lanes), attr.RODATA|attr.NOPTR)
	for lane := range v.Lanes {
		build.DATA(4*lane, operand.U32(uint32(lane/queries-lane%queries-1)))
	}
	return block{Vec: v, queries: queries, keyMinusQuery: data}
}

// columns is the number of columns in a vector.
func (b block) columns() int { return b.Lanes / b.queries }

// columnBytes is the distance of columns in memory.
func (b block) columnBytes() int { return 4 * b.queries }

// column returns a new register for one column.
func (b block) column() reg.VecVirtual {
	if b.queries == vec.AVX512.Lanes {
		return build.ZMM()
	}
	return build.YMM()
}

// wide reports whether the kernel is one of AVX-512, which broadcasts from memory inside an instruction and masks lanes.
func (b block) wide() bool { return b.Lanes == vec.AVX512.Lanes }

// A kernel's scratch holds, in this order, the reciprocal sum of each query, the columns that transpose wrote, headDim of them
// rounded up to whole tiles, and one or two sets of columns of scores, one for each key, rounded up to whole tiles.
const (
	reciprocalBytes = 64
	tileColumns     = 8 // what transpose writes at once
	tileKeys        = 4 // what dots writes at once
)

// forward writes the kernel of Attention.
func (b block) forward() {
	b.Function(fmt.Sprintf("attentionBlock%d", b.queries),
		"func(out, lse, q, k, v *float32, first, queries, width, qStride, kvStride, headDim int, scale float32, scratch *float32)",
		fmt.Sprintf("computes the outputs of up to %d queries, from the one with index first in its sequence,", b.queries),
		"and their lse [queries]. out and q point to the head's columns in the row of that query, k and v to those of the sequence's first",
		"token; rows of out are width floats apart, those of q qStride, those of k and v kvStride.")
	b.transpose(parameter("q"), queryRows)
	b.dots(b.scores(), parameter("k"), keyRows)
	b.softmax(b.scores())
	b.toQueries(parameter("out"), outRows, b.scores(), parameter("v"), keyRows, parameter("scratch"))
	vec.Return()
}

// backward writes the kernel of AttentionGrad.
func (b block) backward() {
	b.Function(fmt.Sprintf("attentionGradBlock%d", b.queries),
		"func(dqkv, dout, lse, qkv *float32, first, queries, width, stride, keys, values, headDim, more int, scale float32, scratch *float32)",
		fmt.Sprintf("computes the gradients that flow through up to %d queries, from the one with index first in its", b.queries),
		"sequence. It adds to those of earlier keys and values. It writes those of the block's own rows, or adds to them, too, where more",
		"is not 0, because another head has written them. lse is [queries]; the other pointers are to the head's columns in the first row",
		"of the sequence; rows of dout are width floats apart, those of qkv and dqkv stride; the key of a token is keys floats behind its",
		"query, the value values.")
	b.transpose(qkvRows.ofBlock("qkv"), qkvRows)
	b.dots(b.scores(), keySection.of("qkv"), qkvRows)
	b.transpose(outRows.ofBlock("dout"), outRows)
	b.dots(b.dscores(), valueSection.of("qkv"), qkvRows)
	b.softmaxGrad(b.scores(), b.dscores())
	b.toQueries(qkvRows.ofBlock("dqkv"), qkvRows, b.dscores(), keySection.of("qkv"), qkvRows, nil)
	b.toKeys(keySection.of("dqkv"), b.dscores(), "qkv", qkvRows)
	b.toKeys(valueSection.of("dqkv"), b.scores(), "dout", outRows)
	vec.Return()
}

// scores returns a new pointer to the columns of scores.
func (b block) scores() reg.GPVirtual {
	p := parameter("headDim")
	build.ADDQ(operand.I8(tileColumns-1), p)
	build.ANDQ(operand.I8(-tileColumns), p)
	build.IMUL3Q(operand.I8(b.columnBytes()), p, p)
	build.ADDQ(address("scratch"), p)
	build.ADDQ(operand.I8(reciprocalBytes), p)
	return p
}

// dscores returns a new pointer to the columns of the scores' gradients.
func (b block) dscores() reg.GPVirtual {
	bytes := keys()
	build.ADDQ(operand.I8(tileKeys-1), bytes)
	build.ANDQ(operand.I8(-tileKeys), bytes)
	build.IMUL3Q(operand.I8(b.columnBytes()), bytes, bytes)
	build.ADDQ(b.scores(), bytes)
	return bytes
}
