// Package vec writes vector code for more than one width: a generator that takes a Vec and uses its methods, and avo's own
// build functions on registers of Vec.Register, emits an AVX2 and an AVX-512 kernel from the same lines.
//
// Most instructions need nothing from here: build.VFMADD231PS takes ymm and zmm alike. Vec has what differs: registers,
// constants, incomplete vectors (mask.go), loops over elements (loop.go), sums and maxima across lanes (reduce.go) and the
// exponential (exp.go).
//
// The exponential in another kernel: make it once, before the loop, where it loads its constants, and call Of on one register
// after another:
//
//	exp := v.Exp()
//	...
//	p := v.Register()
//	build.VSUBPS(largest, score, p)
//	exp.Of(p) // p = exp(p), in place
//
// With AVX-512 the constants of Exp stay in 11 registers as long as exp is used; with AVX2 they stay in memory, and Of needs 3
// registers besides p.
package vec

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Vec is a width of vector.
type Vec struct {
	Name  string // suffix of a kernel's name
	Lanes int    // float32 in a register
}

// The widths. AVX512 stands for F, DQ, BW and VL, AVX2 for AVX2 and FMA.
var (
	AVX2   = Vec{Name: "AVX2", Lanes: 8}
	AVX512 = Vec{Name: "AVX512", Lanes: 16}
)

// Widths lists every width, for generators that emit all.
var Widths = []Vec{AVX2, AVX512}

// Bytes is the size of a register.
func (v Vec) Bytes() int { return 4 * v.Lanes }

func (v Vec) wide() bool { return v == AVX512 }

// Register returns a new virtual register of the width.
func (v Vec) Register() reg.VecVirtual {
	if v.wide() {
		return build.ZMM()
	}
	return build.YMM()
}

// Zero returns a new register of zeros.
func (v Vec) Zero() reg.VecVirtual {
	z := v.Register()
	build.VXORPS(z, z, z)
	return z
}

// Constant returns an operand whose lanes all hold f: a register with AVX-512, which has 32 of them, else memory. Call it
// outside of loops, and use the result only where an instruction takes memory.
func (v Vec) Constant(f float32) operand.Op { return v.bits(math.Float32bits(f)) }

// ConstantRegister is Constant in a register with every width.
func (v Vec) ConstantRegister(f float32) reg.VecVirtual { return v.load(v.Constant(f)) }

// IntegerRegister returns a new register whose lanes all hold i.
func (v Vec) IntegerRegister(i uint32) reg.VecVirtual { return v.load(v.bits(i)) }

// Iota returns a new register whose lanes hold their numbers, 0 and on.
func (v Vec) Iota() reg.VecVirtual {
	if laneNumbers == nil {
		mem := build.GLOBL("lane_numbers", attr.RODATA|attr.NOPTR)
		for i := range AVX512.Lanes {
			build.DATA(4*i, operand.U32(i))
		}
		laneNumbers = &mem
	}
	r := v.Register()
	build.VMOVUPS(*laneNumbers, r)
	return r
}

// laneNumbers is the read-only data of Iota, once it is asked for.
var laneNumbers *operand.Mem

// AbsMask is a constant whose bitwise and with a vector is its absolute value.
func (v Vec) AbsMask() operand.Op { return v.bits(0x7fffffff) }

// load returns op in a register, which is op itself if it is one.
func (v Vec) load(op operand.Op) reg.VecVirtual {
	if r, ok := op.(reg.VecVirtual); ok {
		return r
	}
	r := v.Register()
	build.VMOVUPS(op, r)
	return r
}

func (v Vec) bits(bits uint32) operand.Op {
	if !v.wide() {
		return lanes(bits)
	}
	r := v.Register()
	build.VBROADCASTSS(lanes(bits), r)
	return r
}

// constants holds the read-only data of the file that is generated, by bit pattern.
var constants = map[uint32]operand.Mem{}

// lanes returns 8 lanes of read-only memory. The linker aligns data of 32 bytes to 32, so no load of them crosses a cache line.
func lanes(bits uint32) operand.Mem {
	mem, ok := constants[bits]
	if !ok {
		mem = build.GLOBL(fmt.Sprintf("lanes_%08x", bits), attr.RODATA|attr.NOPTR)
		for i := range AVX2.Lanes {
			build.DATA(4*i, operand.U32(bits))
		}
		constants[bits] = mem
	}
	return mem
}

// BroadcastParam returns a new register with the float32 parameter of that name in every lane.
func (v Vec) BroadcastParam(name string) reg.VecVirtual {
	param, err := build.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	r := v.Register()
	build.VBROADCASTSS(param.Addr, r)
	return r
}

// IntegerParam returns a new register with the pointer or int parameter of that name.
func IntegerParam(name string) reg.GPVirtual {
	return build.Load(build.Param(name), build.GP64()).(reg.GPVirtual)
}

// Function begins the kernel name+v.Name with a signature such as "func(dst *float32, n int)" and its comment. The kernel keeps
// none of its pointers and does not grow the stack. End it with Return.
func (v Vec) Function(name, signature string, doc ...string) {
	build.TEXT(name+v.Name, attr.NOSPLIT, signature)
	build.Pragma("noescape")
	if len(doc) > 0 {
		doc[0] = name + v.Name + " " + doc[0]
	}
	build.Doc(doc...)
}

// Return ends a kernel.
func Return() {
	build.VZEROUPPER()
	build.RET()
}
