package main

import (
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"trainer/internal/cpu/kernel/_asm/vec"
)

// toQueries writes the block's rows, the first of them at dst: row i is Σ_j tile[j][i]·x_j over the keys j that query i sees, x being
// the keys or values. With a pointer to reciprocals it is multiplied by number i of them.
func (b block) toQueries(dst reg.GPVirtual, r rows, tile, x reg.GPVirtual, xr rows, reciprocals reg.Register) {
	stride := xr.stride()
	b.eachChunk(func(mask vec.Mask) {
		sums := make([]reg.VecVirtual, b.queries)
		for i := range sums {
			sums[i] = b.Zero()
		}
		column, row := copied(tile), copied(x)
		b.eachEarlierKey(func() {
			xs := b.Load(operand.Mem{Base: row}, mask)
			for i := range sums {
				b.addProduct(operand.Mem{Base: column, Disp: 4 * i}, xs, sums[i])
			}
			build.ADDQ(operand.I8(b.columnBytes()), column)
			build.ADDQ(stride, row)
		})
		b.eachOfBlock(func(j int) {
			xs := b.Load(operand.Mem{Base: row}, mask)
			for i := j; i < b.queries; i++ {
				b.addProduct(operand.Mem{Base: column, Disp: j*b.columnBytes() + 4*i}, xs, sums[i])
			}
			build.ADDQ(stride, row)
		})
		out, outStride := copied(dst), r.stride()
		b.eachOfBlock(func(i int) {
			if reciprocals != nil {
				b.product(operand.Mem{Base: reciprocals, Disp: 4 * i}, sums[i], sums[i])
			}
			b.Store(sums[i], operand.Mem{Base: out}, mask)
			build.ADDQ(outStride, out)
		})
	}, dst, x)
}

// toKeys writes the rows of the block's keys in the matrix at dst, or adds to them where the parameter more is not 0, and adds to those of
// earlier keys: row j is Σ_i tile[j][i]·x_i, with x_i the block's rows of the matrix at the parameter of that name.
func (b block) toKeys(dst, tile reg.GPVirtual, name string, r rows) {
	stride := qkvRows.stride()
	x := r.ofBlock(name)
	b.eachChunk(func(mask vec.Mask) {
		xs := make([]reg.VecVirtual, b.queries)
		xStride := r.stride()
		for i, row := 0, x; i < b.queries; i++ {
			if i > 0 {
				row = nextRow(row, xStride, i, address("queries"))
			}
			xs[i] = b.Load(operand.Mem{Base: row}, mask)
		}
		column, out := copied(tile), copied(dst)
		b.eachEarlierKey(func() {
			sum, odd := b.Load(operand.Mem{Base: out}, mask), b.Register()
			for i := range xs {
				memory := operand.Mem{Base: column, Disp: 4 * i}
				switch {
				case i%2 == 0:
					b.addProduct(memory, xs[i], sum)
				case i == 1:
					b.product(memory, xs[i], odd)
				default:
					b.addProduct(memory, xs[i], odd)
				}
			}
			build.VADDPS(odd, sum, sum)
			b.Store(sum, operand.Mem{Base: out}, mask)
			build.ADDQ(operand.I8(b.columnBytes()), column)
			build.ADDQ(stride, out)
		})
		b.eachOfBlock(func(j int) {
			// To add to -0 changes nothing, not even the sign of a zero.
			sum, fresh := b.ConstantRegister(float32(math.Copysign(0, -1))), label("fresh")
			build.CMPQ(address("more"), operand.I8(0))
			build.JE(operand.LabelRef(fresh))
			build.VADDPS(b.Load(operand.Mem{Base: out}, mask), sum, sum)
			build.Label(fresh)
			for i := j; i < b.queries; i++ {
				b.addProduct(operand.Mem{Base: column, Disp: j*b.columnBytes() + 4*i}, xs[i], sum)
			}
			b.Store(sum, operand.Mem{Base: out}, mask)
			build.ADDQ(stride, out)
		})
	}, dst, x)
}

// eachChunk emits body for each vector of the head's columns, the last one masked, and moves the pointers on.
func (b block) eachChunk(body func(mask vec.Mask), pointers ...reg.GPVirtual) {
	left, loop := parameter("headDim"), label("chunk")
	build.Label(loop)
	body(b.firstOf(left, b.Lanes))
	for _, p := range pointers {
		build.ADDQ(operand.I8(b.Bytes()), p)
	}
	build.SUBQ(operand.I8(b.Lanes), left)
	build.JG(operand.LabelRef(loop))
}

// eachEarlierKey emits body once, in a loop over the keys before the block.
func (b block) eachEarlierKey(body func()) { vec.Repeat(parameter("first"), body) }

// eachOfBlock emits body for each row of the block, unrolled, and leaves after the last row that there is.
func (b block) eachOfBlock(body func(row int)) {
	done := label("block_done")
	for row := range b.queries {
		if row > 0 {
			build.CMPQ(address("queries"), operand.I8(row))
			build.JLE(operand.LabelRef(done))
		}
		body(row)
	}
	build.Label(done)
}
