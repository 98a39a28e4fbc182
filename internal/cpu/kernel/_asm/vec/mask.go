package vec

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Mask selects the first lanes of a vector; nil selects all.
type Mask reg.Register

// FirstLanes returns a mask of the first n lanes, 0 <= n < Lanes. n is left as it is.
func (v Vec) FirstLanes(n reg.GPVirtual) Mask {
	if v.wide() {
		bits := build.GP64()
		build.MOVQ(operand.I32(-1), bits)
		build.BZHIQ(n, bits, bits)
		k := build.K()
		build.KMOVW(bits.As32(), k)
		return k
	}
	// A window of 8 lanes slides over 8 set ones and 8 clear ones.
	window := build.GP64()
	build.LEAQ(slidingMask(), window)
	back := build.GP64()
	build.MOVQ(n, back)
	build.NEGQ(back)
	m := build.YMM()
	build.VMOVUPS(operand.Mem{Base: window, Index: back, Scale: 4, Disp: v.Bytes()}, m)
	return m
}

var slidingMaskData *operand.Mem

func slidingMask() operand.Mem {
	if slidingMaskData == nil {
		mem := build.GLOBL("sliding_mask", attr.RODATA|attr.NOPTR)
		for i := range 2 * AVX2.Lanes {
			var lane operand.U32
			if i < AVX2.Lanes {
				lane = 0xffffffff
			}
			build.DATA(4*i, lane)
		}
		slidingMaskData = &mem
	}
	return *slidingMaskData
}

// Load returns a new register with the selected lanes of memory and zeros in the others, whose memory is not touched.
func (v Vec) Load(mem operand.Mem, m Mask) reg.VecVirtual {
	r := v.Register()
	switch {
	case m == nil:
		build.VMOVUPS(mem, r)
	case v.wide():
		build.VMOVUPS_Z(mem, m, r)
	default:
		build.VMASKMOVPS(mem, m, r)
	}
	return r
}

// Store writes the selected lanes of r and touches no other memory.
func (v Vec) Store(r reg.Register, mem operand.Mem, m Mask) {
	switch {
	case m == nil:
		build.VMOVUPS(r, mem)
	case v.wide():
		build.VMOVUPS(r, m, mem)
	default:
		build.VMASKMOVPS(r, m, mem)
	}
}

// Keep clears the lanes of r that are not selected.
func (v Vec) Keep(r reg.VecVirtual, m Mask) {
	switch {
	case m == nil:
	case v.wide():
		build.VMOVAPS_Z(r, m, r)
	default:
		build.VANDPS(m, r, r)
	}
}

// Fill puts the lanes of filler into the lanes of r that are not selected.
func (v Vec) Fill(r, filler reg.VecVirtual, m Mask) {
	switch {
	case m == nil:
	case v.wide():
		build.VBLENDMPS(r, filler, m, r)
	default:
		build.VBLENDVPS(m, r, filler, r)
	}
}

// KeepWhereAtLeast clears the lanes of r where the unsigned integer a is below b.
func (v Vec) KeepWhereAtLeast(r, a, b reg.VecVirtual) {
	if v.wide() {
		const notLess = 5
		k := build.K()
		build.VPCMPUD(operand.U8(notLess), b, a, k)
		build.VMOVAPS_Z(r, k, r)
		return
	}
	larger := v.Register()
	build.VPMAXUD(a, b, larger)
	build.VPCMPEQD(a, larger, larger)
	build.VANDPS(larger, r, r)
}

// WhereNegative returns a new register with the lanes of yes where x has its sign bit set, and of no elsewhere.
func (v Vec) WhereNegative(x, yes, no reg.VecVirtual) reg.VecVirtual {
	r := v.Register()
	if v.wide() {
		k := build.K()
		build.VPMOVD2M(x, k)
		build.VBLENDMPS(yes, no, k, r)
	} else {
		build.VBLENDVPS(x, yes, no, r)
	}
	return r
}
