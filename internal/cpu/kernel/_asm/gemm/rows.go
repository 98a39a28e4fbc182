package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rowPointers reach the rows of a matrix: every fifth has a register of its own, the rows between are reached by the forms of an address.
type rowPointers struct {
	every     []reg.Register
	row, row3 reg.Register // distances in bytes, of 1 row and of 3
}

// newRowPointers takes the pointer to the first row as its own. row3 is what triple makes of row, needed for more than three rows.
func newRowPointers(first, row, row3 reg.Register, rows int) *rowPointers {
	p := &rowPointers{every: []reg.Register{first}, row: row, row3: row3}
	for r := 5; r < rows; r += 5 {
		next := GP64()
		LEAQ(Mem{Base: p.every[len(p.every)-1], Index: row, Scale: 4}, next)
		ADDQ(row, next)
		p.every = append(p.every, next)
	}
	return p
}

// loadRows returns pointers to the rows of a matrix which is a parameter, as is the distance of its rows in floats.
func loadRows(matrix, distance string, rows int) *rowPointers {
	row, row3 := Load(Param(distance), GP64()), GP64()
	SHLQ(U8(2), row)
	if rows > 3 {
		triple(row, row3)
	}
	return newRowPointers(Load(Param(matrix), GP64()), row, row3, rows)
}

func triple(x, dst reg.Register) { LEAQ(Mem{Base: x, Index: x, Scale: 2}, dst) }

// at is the address so many bytes behind where the pointer of a row stands.
func (p *rowPointers) at(row, bytes int) Mem {
	m := Mem{Base: p.every[row/5], Disp: bytes}
	switch row % 5 {
	case 0:
	case 3:
		m.Index, m.Scale = p.row3, 1
	default:
		m.Index, m.Scale = p.row, uint8(row%5)
	}
	return m
}

// advance moves all pointers by some bytes.
func (p *rowPointers) advance(bytes Op) {
	for _, pointer := range p.every {
		ADDQ(bytes, pointer)
	}
}
