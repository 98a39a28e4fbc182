package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is what the tile kernels of two instruction sets differ in. A tile of rows·2 vectors of sums, two vectors of B and the
// registers that broadcast A fill the vector registers.
type isa struct {
	name   string
	rows   int // of the tallest tile
	few    int // tiles of at most so many rows wait for B, which comes from memory, and fetch it 8 rows ahead
	lanes  int // floats in a vector
	vector func(i int) reg.VecPhysical
	masks  masks
	// multiply adds to sum the products of the lanes of a and b
	multiply func(a, b, sum reg.VecPhysical)
}

var avx512 = isa{
	name: "AVX512", rows: 14, few: 12, lanes: 16, vector: func(i int) reg.VecPhysical { return zmm[i] },
	masks: &opmask{}, multiply: multiplyAdd,
}

var avx2 = isa{
	name: "AVX2", rows: 6, few: 2, lanes: 8, vector: func(i int) reg.VecPhysical { return ymm[i] },
	masks: &vectorMask{}, multiply: multiplyAdd,
}

// avx512bf16 takes words of two bfloat16 where avx512 takes floats, and multiplies twice as much in the same time.
var avx512bf16 = isa{name: "AVX512BF16", rows: 14, lanes: 16, vector: avx512.vector, masks: &opmask{packed: true}, multiply: vdpbf16ps}

func multiplyAdd(a, b, sum reg.VecPhysical) { VFMADD231PS(b, a, sum) }

// tiles writes the function that computes tiles one below the other: for each of them
//
//	C[i, j] = Σ_p A[i, p]·B[p, j] (+ bias[j]) (+ C[i, j])
//
// It has one loop over p for each number of rows and of vectors.
func (s isa) tiles() {
	TEXT("gemmTiles"+s.name, NOSPLIT, "func(rows, count, cols, k int, a *float32, aRow, aK int, b *float32, bRow int, "+
		"c *float32, cRow int, bias *float32, accumulate bool)")
	Doc("gemmTiles"+s.name+" is gemmTilesGo for "+fmt.Sprintf("1 to %d rows, 1 to %d columns and at least one tile.", s.rows, 2*s.lanes),
		s.masks.wide())
	Pragma("noescape")
	f := frame{
		count: Load(Param("count"), GP64()), a: Load(Param("a"), GP64()), c: Load(Param("c"), GP64()),
		aRow: Load(Param("aRow"), GP64()), aRow3: GP64(), aK: Load(Param("aK"), GP64()),
		bRow: Load(Param("bRow"), GP64()), cRow: Load(Param("cRow"), GP64()),
	}
	for _, floats := range []reg.Register{f.aRow, f.aK, f.bRow, f.cRow} {
		SHLQ(U8(2), floats)
	}
	triple(f.aRow, f.aRow3)
	rows := Load(Param("rows"), GP64())
	cols := Load(Param("cols"), GP64())
	s.masks.set(cols)

	kinds := s.masks.kinds()
	for _, kind := range kinds {
		Label(kind.name)
		if kind.unless != nil {
			kind.unless(cols)
		}
		for r := s.height(kind); r > 1; r-- {
			CMPQ(rows, U8(r))
			JEQ(LabelRef(fmt.Sprintf("%s%d", kind.name, r)))
		}
		JMP(LabelRef(kind.name + "1"))
	}
	for _, kind := range kinds {
		for r := s.height(kind); r >= 1; r-- {
			s.tile(f, kind, r)
		}
	}
}

// frame holds the registers that live through all tiles of a call; distances are in bytes.
type frame struct {
	count, a, c, aRow, aRow3, aK, bRow, cRow reg.Register
}

// kind is a width of a tile: a number of vectors, the last of which is masked or not.
type kind struct {
	name    string
	vectors int
	masked  bool
	rows    int                     // of the tallest tile, 0 is that of the instruction set
	unless  func(cols reg.Register) // jumps to the next kind where this one does not fit
}

// mostHeld is how many vectors of B are in registers at a time, where a tile is wider: one row of sums and these fill the registers.
const mostHeld = 8

// height is the number of rows of the tallest tile.
func (s isa) height(k kind) int {
	if k.rows > 0 {
		return k.rows
	}
	return s.rows
}

// tile writes the loop over the tiles of one height and width.
func (s isa) tile(f frame, kd kind, rows int) {
	name := fmt.Sprintf("%s%d", kd.name, rows)
	sum := func(r, v int) reg.VecPhysical { return s.vector(r*kd.vectors + v) }
	masked := func(v int) bool { return kd.masked && v == kd.vectors-1 }
	at := func(base reg.Register, v int) Mem { return Mem{Base: base, Disp: 4 * s.lanes * v} }
	firstB := 2 * s.rows
	if kd.vectors > 2 {
		firstB = kd.vectors * rows
	}
	held := min(max(kd.vectors, 2), mostHeld)
	bVector := func(v int) reg.VecPhysical { return s.vector(firstB + v%held) }
	aVector := s.vector(firstB + held)
	// parts calls f for vectors lo to hi, as many at a time as are held in registers.
	parts := func(f func(lo, hi int)) {
		for lo := 0; lo < kd.vectors; lo += held {
			f(lo, min(lo+held, kd.vectors))
		}
	}

	Label(name)
	Comment("The sums.")
	for r := range rows {
		for v := range kd.vectors {
			s.zero(sum(r, v))
		}
	}
	first := GP64()
	MOVQ(f.a, first)
	a := newRowPointers(first, f.aRow, f.aRow3, rows)
	// C is wanted when the sums are ready. Fetching it ahead gains 4 % at [256, 768]·[768, 3072] on Zen 5,
	// and more while another core uses the memory.
	c := GP64()
	MOVQ(f.c, c)
	for r := range rows {
		for line := 0; line < kd.vectors*s.lanes; line += 16 {
			PREFETCHT0(Mem{Base: c, Disp: 4 * line})
		}
		if r < rows-1 {
			ADDQ(f.cRow, c)
		}
	}
	b := Load(Param("b"), GP64())
	k := Load(Param("k"), GP64())
	TESTQ(k, k)
	JE(LabelRef(name + "bias"))

	Label(name + "k")
	parts(func(lo, hi int) {
		for v := lo; v < hi; v++ {
			s.load(at(b, v), bVector(v), masked(v))
		}
		for line := lo * s.lanes; line < hi*s.lanes && rows <= s.few; line += 16 {
			PREFETCHT0(Mem{Base: b, Index: f.bRow, Scale: 8, Disp: 4 * line})
		}
		for r := range rows {
			VBROADCASTSS(a.at(r, 0), aVector)
			for v := lo; v < hi; v++ {
				s.multiply(aVector, bVector(v), sum(r, v))
			}
		}
	})
	ADDQ(f.bRow, b)
	a.advance(f.aK)
	DECQ(k)
	JNE(LabelRef(name + "k"))

	Label(name + "bias")
	bias := Load(Param("bias"), GP64())
	TESTQ(bias, bias)
	JE(LabelRef(name + "accumulate"))
	parts(func(lo, hi int) {
		for v := lo; v < hi; v++ {
			s.load(at(bias, v), bVector(v), masked(v))
		}
		for r := range rows {
			for v := lo; v < hi; v++ {
				VADDPS(bVector(v), sum(r, v), sum(r, v))
			}
		}
	})
	Label(name + "accumulate")
	accumulate := Load(Param("accumulate"), GP8())
	TESTB(accumulate, accumulate)
	JE(LabelRef(name + "store"))
	MOVQ(f.c, c)
	for r := range rows {
		for v := range kd.vectors {
			s.load(at(c, v), bVector(v), masked(v))
			VADDPS(bVector(v), sum(r, v), sum(r, v))
		}
		ADDQ(f.cRow, c)
	}
	Label(name + "store")
	for r := range rows {
		for v := range kd.vectors {
			s.store(sum(r, v), at(f.c, v), masked(v))
		}
		ADDQ(f.cRow, f.c)
	}
	for r := 0; r < rows; {
		switch {
		case rows-r >= 3:
			ADDQ(f.aRow3, f.a)
			r += 3
		default:
			ADDQ(f.aRow, f.a)
			r++
		}
	}
	DECQ(f.count)
	JNE(LabelRef(name))
	VZEROUPPER()
	RET()
}

func (s isa) zero(v reg.Register) {
	if s.lanes == 16 {
		VPXORD(v, v, v)
		return
	}
	VXORPS(v, v, v)
}

func (s isa) load(m Mem, v reg.VecPhysical, masked bool) {
	if masked {
		s.masks.load(m, v)
		return
	}
	VMOVUPS(m, v)
}

func (s isa) store(v reg.VecPhysical, m Mem, masked bool) {
	if masked {
		s.masks.store(v, m)
		return
	}
	VMOVUPS(v, m)
}

// masks keeps loads and stores of a tile inside its columns.
type masks interface {
	set(cols reg.Register) // cols counts the columns of the tile
	kinds() []kind
	wide() string // says for people which tiles may be wider
	load(m Mem, v reg.VecPhysical)
	store(v reg.VecPhysical, m Mem)
}

// opmask is AVX-512's mask register K1. A masked load costs as much as a plain one, so every last vector is masked.
type opmask struct {
	packed bool // B always is, so that no tile is wider than a panel
}

func (opmask) set(cols reg.Register) {
	Comment("K1 has the columns of the last vector.")
	bits, shift := GP64(), reg.RCX
	LEAQ(Mem{Base: cols, Disp: -1}, shift)
	ANDQ(U8(15), shift)
	MOVQ(U32(2), bits)
	SHLQ(reg.CL, bits)
	DECQ(bits)
	KMOVW(bits.As32(), reg.K1)
}

func (m opmask) kinds() []kind {
	panel := []kind{
		{name: "wide", vectors: 2, masked: true, unless: func(cols reg.Register) {
			CMPQ(cols, U8(16))
			JLE(LabelRef("narrow"))
		}},
		{name: "narrow", vectors: 1, masked: true},
	}
	if m.packed {
		return panel
	}
	return append([]kind{
		{name: "long", vectors: 16, rows: 1, unless: func(cols reg.Register) {
			CMPQ(cols, U32(16*16))
			JNE(LabelRef("widest"))
		}},
		{name: "widest", vectors: 8, rows: 2, unless: func(cols reg.Register) {
			CMPQ(cols, U32(8*16))
			JNE(LabelRef("wider"))
		}},
		{name: "wider", vectors: 4, rows: 6, unless: func(cols reg.Register) {
			CMPQ(cols, U8(4*16))
			JNE(LabelRef("wide"))
		}},
	}, panel...)
}

func (m opmask) wide() string {
	if m.packed {
		return "None are wider."
	}
	return "There may be 256 columns of 1 row, 128 of 2, and 64 of 6."
}

func (opmask) load(m Mem, v reg.VecPhysical)  { VMOVUPS_Z(m, reg.K1, v) }
func (opmask) store(v reg.VecPhysical, m Mem) { VMOVUPS(v, reg.K1, m) }

// vectorMask is AVX2's mask in the last vector register. Masked stores are slow, so a full tile does without.
type vectorMask struct{}

func (vectorMask) set(cols reg.Register) {
	Comment("Y15 has the columns of the last vector: a window on eight words of ones and eight of zeros.")
	ones := GLOBL("gemmMask", RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(0xffffffff*uint32(1-i/8)))
	}
	window, base := GP64(), GP64()
	LEAQ(ones, base)
	MOVQ(cols, window)
	NEGQ(window)
	ANDQ(U8(7), window)
	VMOVUPS(Mem{Base: base, Index: window, Scale: 4}, reg.Y15)
}

func (vectorMask) kinds() []kind {
	return []kind{
		{name: "wider", vectors: 4, rows: 2, unless: func(cols reg.Register) {
			CMPQ(cols, U8(4*8))
			JNE(LabelRef("full"))
		}},
		{name: "full", vectors: 2, unless: func(cols reg.Register) {
			CMPQ(cols, U8(16))
			JNE(LabelRef("wide"))
		}},
		{name: "wide", vectors: 2, masked: true, unless: func(cols reg.Register) {
			CMPQ(cols, U8(8))
			JLE(LabelRef("narrow"))
		}},
		{name: "narrow", vectors: 1, masked: true},
	}
}

func (vectorMask) wide() string { return "There may be 32 columns of 2 rows." }

func (vectorMask) load(m Mem, v reg.VecPhysical)  { VMASKMOVPS(m, reg.Y15, v) }
func (vectorMask) store(v reg.VecPhysical, m Mem) { VMASKMOVPS(v, reg.Y15, m) }

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
	reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

var ymm = []reg.VecPhysical{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}
