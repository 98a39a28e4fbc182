package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transposedRows is the number of rows of the tallest tile that reads B where it is stored transposed: their sums, and a square of B on its way to
// columns, are in registers.
func (s isa) transposedRows() int { return s.lanes / 2 }

// transposed writes the function that computes a tile of few rows from as many rows of B as a vector has lanes, by squares that it transposes
// in registers.
func (s isa) transposed() {
	TEXT("gemmTransposedTile"+s.name, NOSPLIT, "func(rows, k int, a *float32, aRow int, b *float32, bRow int, "+
		"c *float32, cRow int, bias *float32, accumulate bool, next *float32)")
	Doc(fmt.Sprintf("gemmTransposedTile%s is gemmTransposedTileGo for 1 to %d rows, %d columns and a k that is a positive multiple of %[3]d.",
		s.name, s.transposedRows(), s.lanes), "It fetches as much memory from next on as it reads of B.")
	Pragma("noescape")
	rows := Load(Param("rows"), GP64())
	for r := s.transposedRows(); r > 1; r-- {
		CMPQ(rows, U8(r))
		JEQ(LabelRef(fmt.Sprintf("rows%d", r)))
	}
	for r := 1; r <= s.transposedRows(); r++ {
		s.transposedTile(r)
	}
}

// transposedTile writes the tile of one height.
func (s isa) transposedTile(rows int) {
	name := fmt.Sprintf("rows%d", rows)
	Label(name)
	a, b := loadRows("a", "aRow", rows), loadRows("b", "bRow", s.lanes)
	k, next := Load(Param("k"), GP64()), Load(Param("next"), GP64())
	sums := make([]reg.VecVirtual, rows)
	for r := range sums {
		sums[r] = s.virtual()
		s.zero(sums[r])
	}

	Label(name + "square")
	square := make([]reg.VecVirtual, s.lanes)
	for i := range square {
		square[i] = s.virtual()
		VMOVUPS(b.at(i, 0), square[i])
	}
	// The strips of B follow each other, so this walks through memory from end to end. At [1, 768]·[768, 50257] on Zen 5 it gains 13 % over
	// fetching the rows of the square.
	size := 4 * s.lanes * s.lanes
	for line := 0; line < size; line += 64 {
		PREFETCHT0(Mem{Base: next, Disp: line})
	}
	for p, column := range s.columns(square) {
		for r, sum := range sums {
			s.multiplyBroadcast(a.at(r, 4*p), column, sum)
		}
	}
	a.advance(U8(4 * s.lanes))
	b.advance(U8(4 * s.lanes))
	ADDQ(I32(size), next)
	SUBQ(U8(s.lanes), k)
	JNE(LabelRef(name + "square"))

	bias := Load(Param("bias"), GP64())
	TESTQ(bias, bias)
	JE(LabelRef(name + "accumulate"))
	for _, sum := range sums {
		VADDPS(Mem{Base: bias}, sum, sum)
	}
	Label(name + "accumulate")
	c, cRow := Load(Param("c"), GP64()), Load(Param("cRow"), GP64())
	SHLQ(U8(2), cRow)
	accumulate := Load(Param("accumulate"), GP8())
	TESTB(accumulate, accumulate)
	JE(LabelRef(name + "store"))
	before := GP64()
	MOVQ(c, before)
	for _, sum := range sums {
		VADDPS(Mem{Base: before}, sum, sum)
		ADDQ(cRow, before)
	}
	Label(name + "store")
	for _, sum := range sums {
		VMOVUPS(sum, Mem{Base: c})
		ADDQ(cRow, c)
	}
	VZEROUPPER()
	RET()
}

// columns transposes a square.
func (s isa) columns(square []reg.VecVirtual) []reg.VecVirtual {
	if s.lanes == 16 {
		return columns16(square)
	}
	return columns8(square)
}

// multiplyBroadcast adds to sum the products of x with one float in memory.
func (s isa) multiplyBroadcast(a Mem, x, sum reg.VecVirtual) {
	if s.lanes == 16 {
		VFMADD231PS_BCST(a, x, sum)
		return
	}
	all := s.virtual()
	VBROADCASTSS(a, all)
	VFMADD231PS(all, x, sum)
}
