package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels that read packed weights widen them to floats on the way, a row of four vectors at a time. AVX-512 takes a panel at once, AVX2 the
// half of one.

const (
	panelColumns  = 64  // of a panel of packed weights
	weightVectors = 4   // in a row
	scaleBlock    = 128 // weights of a column of integers that share a scale
)

// weightRows is the number of rows of the tallest tile: as many as have their sums, and what widening takes, in registers.
func (s isa) weightRows() int { return s.lanes / 4 }

// weightType is a type of packed weights.
type weightType struct {
	name       string
	bytes      int    // of a weight
	parameters string // beside those of all types
	walk       func(s isa, l *weightLoop)
}

var weightTypes = []weightType{
	{name: "BF16", bytes: 2, walk: isa.walkBF16},
	{name: "Int8", bytes: 1, parameters: ", scales *float32", walk: isa.walkInt8},
}

// weightLoop is a loop over k rows of a panel, at least one, from w on.
type weightLoop struct {
	name  string
	k, w  reg.Register
	begin func()                             // is done ahead of each row,
	use   func(vector int, x reg.VecVirtual) // with each vector of floats,
	end   func()                             // and behind the row
}

// next goes on by one row, and fetches one far ahead: memory is read from end to end.
func (l *weightLoop) next(bytes int) {
	const ahead = 4096
	for line := 0; line < bytes; line += 64 {
		PREFETCHT0(Mem{Base: l.w, Disp: ahead + line})
	}
	ADDQ(I32(bytes), l.w)
	l.end()
}

// walkBF16 splits words into the weights of their lower and their upper halves, which are 16 columns apart.
func (s isa) walkBF16(l *weightLoop) {
	mask, upper := GP32(), s.virtual()
	MOVL(U32(0xffff0000), mask)
	s.fill(upper, mask)
	Label(l.name + "k")
	l.begin()
	for i := range weightVectors / 2 {
		words, low := s.virtual(), s.virtual()
		VMOVUPS(Mem{Base: l.w, Disp: 4 * s.lanes * i}, words)
		VPSLLD(U8(16), words, low)
		s.and(upper, words, words)
		column := s.lanes*i/16*32 + s.lanes*i%16
		l.use(column/s.lanes, low)
		l.use((column+16)/s.lanes, words)
	}
	l.next(2 * panelColumns)
	DECQ(l.k)
	JNE(LabelRef(l.name + "k"))
}

// walkInt8 multiplies weights by the scales of their block.
func (s isa) walkInt8(l *weightLoop) {
	scales, left, full := Load(Param("scales"), GP64()), GP64(), GP64()
	scale := func(v int) Op { return Mem{Base: scales, Disp: 4 * s.lanes * v} }
	Label(l.name + "block")
	if s.lanes == 16 { // AVX2 has no registers left for them
		var held []reg.VecVirtual
		for v := range weightVectors {
			held = append(held, s.virtual())
			VMOVUPS(scale(v), held[v])
		}
		scale = func(v int) Op { return held[v] }
	}
	Comment("The rows of a block, or what is left.")
	MOVQ(l.k, left)
	MOVQ(U32(scaleBlock), full)
	CMPQ(left, full)
	CMOVQGT(full, left)
	SUBQ(left, l.k)
	Label(l.name + "k")
	l.begin()
	for v := range weightVectors {
		x := s.virtual()
		VPMOVSXBD(Mem{Base: l.w, Disp: s.lanes * v}, x)
		VCVTDQ2PS(x, x)
		VMULPS(scale(v), x, x)
		l.use(v, x)
	}
	l.next(panelColumns)
	DECQ(left)
	JNE(LabelRef(l.name + "k"))
	ADDQ(I32(4*panelColumns), scales)
	TESTQ(l.k, l.k)
	JNE(LabelRef(l.name + "block"))
}

// weights writes the functions that compute C += A·W for a tile of few rows, and those that store W as floats.
func (s isa) weights() {
	for _, t := range weightTypes {
		s.weightTiles(t)
		s.widen(t)
	}
}

// weightTiles writes a function with a loop for each number of rows.
func (s isa) weightTiles(t weightType) {
	name := fmt.Sprintf("gemm%sTile%s", t.name, s.name)
	TEXT(name, NOSPLIT, "func(rows, k int, a *float32, aRow int, w *byte, c *float32, cRow int"+t.parameters+")")
	Doc(fmt.Sprintf("%s is gemmWeightTileGo for %s, 1 to %d rows, %d columns and at least one k.",
		name, t.name, s.weightRows(), weightVectors*s.lanes))
	Pragma("noescape")
	rows := Load(Param("rows"), GP64())
	for r := s.weightRows(); r > 1; r-- {
		CMPQ(rows, U8(r))
		JEQ(LabelRef(fmt.Sprintf("rows%d", r)))
	}
	for r := 1; r <= s.weightRows(); r++ {
		s.weightTile(t, r)
	}
}

// weightTile writes the tile of one height.
func (s isa) weightTile(t weightType, rows int) {
	l := &weightLoop{name: fmt.Sprintf("rows%d", rows)}
	Label(l.name)
	a := loadRows("a", "aRow", rows)
	l.k, l.w = Load(Param("k"), GP64()), Load(Param("w"), GP64())
	sums, column := make([][weightVectors]reg.VecVirtual, rows), make([]reg.VecVirtual, rows)
	for r := range sums {
		for v := range sums[r] {
			sums[r][v] = s.virtual()
			s.zero(sums[r][v])
		}
	}
	l.begin = func() {
		for r := range column {
			column[r] = s.virtual()
			VBROADCASTSS(a.at(r, 0), column[r])
		}
	}
	l.use = func(v int, x reg.VecVirtual) {
		for r := range sums {
			VFMADD231PS(x, column[r], sums[r][v])
		}
	}
	l.end = func() { a.advance(U8(4)) }
	t.walk(s, l)

	c, cRow := Load(Param("c"), GP64()), Load(Param("cRow"), GP64())
	SHLQ(U8(2), cRow)
	for r := range sums {
		for v, sum := range sums[r] {
			at := Mem{Base: c, Disp: 4 * s.lanes * v}
			VADDPS(at, sum, sum)
			VMOVUPS(sum, at)
		}
		if r < rows-1 {
			ADDQ(cRow, c)
		}
	}
	VZEROUPPER()
	RET()
}

// widen writes the function that stores rows of weights as floats, in panels of two vectors as the tile kernels read them.
func (s isa) widen(t weightType) {
	name := fmt.Sprintf("gemmWiden%s%s", t.name, s.name)
	TEXT(name, NOSPLIT, "func(dst *float32, dstPanel, k int, w *byte"+t.parameters+")")
	Doc(fmt.Sprintf("%s is gemmWidenGo for %s, %d columns in panels of %d, and at least one k.", name, t.name, weightVectors*s.lanes, 2*s.lanes))
	Pragma("noescape")
	dst, dstPanel := Load(Param("dst"), GP64()), Load(Param("dstPanel"), GP64())
	l := &weightLoop{name: "row", k: Load(Param("k"), GP64()), w: Load(Param("w"), GP64())}
	l.begin = func() {}
	l.use = func(v int, x reg.VecVirtual) {
		at := Mem{Base: dst, Disp: v % 2 * 4 * s.lanes}
		if v >= 2 {
			at.Index, at.Scale = dstPanel, 4
		}
		VMOVUPS(x, at)
	}
	l.end = func() { ADDQ(I32(2*4*s.lanes), dst) }
	t.walk(s, l)
	VZEROUPPER()
	RET()
}

// virtual returns a vector register that the allocator chooses.
func (s isa) virtual() reg.VecVirtual {
	if s.lanes == 16 {
		return ZMM()
	}
	return YMM()
}

func (s isa) and(x, y, dst reg.VecVirtual) {
	if s.lanes == 16 {
		VPANDD(x, y, dst)
		return
	}
	VPAND(x, y, dst)
}

// fill puts a word in all lanes.
func (s isa) fill(v reg.VecVirtual, word reg.GPVirtual) {
	if s.lanes == 16 {
		VPBROADCASTD(word, v)
		return
	}
	x := XMM()
	VMOVD(word, x)
	VPBROADCASTD(x, v)
}
