package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Phases share nothing in registers: each takes what it needs from the parameters again, which costs a few loads and leaves the
// 15 general registers to the inner loops.

// address returns the memory of a parameter, for comparisons and additions.
func address(name string) operand.Mem {
	parameter, err := build.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return parameter.Addr
}

// parameter returns a new register with the pointer or integer parameter of that name.
func parameter(name string) reg.GPVirtual {
	return build.Load(build.Param(name), build.GP64()).(reg.GPVirtual)
}

// rows is the name of the parameter that says how many floats the rows of a matrix are apart.
type rows string

const (
	qkvRows   rows = "stride"
	outRows   rows = "width"
	queryRows rows = "qStride"
	keyRows   rows = "kvStride"
)

// stride returns a new register with the distance of rows in bytes.
func (r rows) stride() reg.GPVirtual { return bytesOf(string(r)) }

// bytesOf returns a new register with the size of as many floats as the parameter of that name says.
func bytesOf(name string) reg.GPVirtual {
	p := parameter(name)
	build.SHLQ(operand.U8(2), p)
	return p
}

// ofBlock returns a new pointer to the block's first row of the matrix at the parameter of that name.
func (r rows) ofBlock(name string) reg.GPVirtual {
	p := r.stride()
	build.IMULQ(address("first"), p)
	build.ADDQ(address(name), p)
	return p
}

// section is the name of the parameter that says how many floats lie between a query and its key or value.
type section string

const (
	keySection   section = "keys"
	valueSection section = "values"
)

// of returns a new pointer to the keys or values of the queries at the parameter of that name.
func (s section) of(name string) reg.GPVirtual {
	p := bytesOf(string(s))
	build.ADDQ(address(name), p)
	return p
}

// keys returns a new register with the number of keys that the block's last query sees.
func keys() reg.GPVirtual {
	n := parameter("first")
	build.ADDQ(address("queries"), n)
	return n
}

// neighbours returns pointers to n rows, the first of them at p, but repeats the last one where fewer than n are left: what is
// computed from a repeated row is not used, and no memory behind the matrix is read.
func neighbours(p, stride reg.GPVirtual, n int, left operand.Op) []reg.GPVirtual {
	pointers := []reg.GPVirtual{p}
	for i := 1; i < n; i++ {
		pointers = append(pointers, nextRow(pointers[i-1], stride, i, left))
	}
	return pointers
}

// nextRow returns a new pointer one row behind p if more than index rows are left, else to the same row.
func nextRow(p, stride reg.GPVirtual, index int, left operand.Op) reg.GPVirtual {
	q, next := build.GP64(), build.GP64()
	build.MOVQ(p, q)
	build.LEAQ(operand.Mem{Base: p, Index: stride, Scale: 1}, next)
	build.CMPQ(left, operand.I8(index))
	build.CMOVQGT(next, q)
	return q
}

var labels int

// label returns a name that no other label of the file has.
func label(what string) string {
	labels++
	return fmt.Sprintf("%s%d", what, labels)
}

// zeroed returns a new register with 0.
func zeroed() reg.GPVirtual {
	r := build.GP64()
	build.XORQ(r, r)
	return r
}

// copied returns a new register with the content of r.
func copied(r reg.GPVirtual) reg.GPVirtual {
	c := build.GP64()
	build.MOVQ(r, c)
	return c
}
