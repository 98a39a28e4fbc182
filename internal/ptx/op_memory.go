package ptx

import (
	"math/bits"
	"sync"
)

// Loads and stores: PTX ISA 8.8, sections 9.7.9.8 (ld) to 9.7.9.13 (st).

// takeSpace takes the state space of a memory instruction; generic if none is named.
func (r *reader) takeSpace(choices string) space { return spaceNames[r.oneOf(choices)] }

// takeHints takes what caches are told, which changes no result.
func (r *reader) takeHints(operators string) {
	if operator := r.oneOf(operators); operator == "" || operator == "nc" {
		r.oneOf("L1::evict_normal L1::evict_unchanged L1::evict_first L1::evict_last L1::no_allocate")
	}
	r.oneOf("L2::64B L2::128B L2::256B")
}

// place sets inst.a and inst.offset to an address operand, and returns the space it lies in: the given one, but local memory for
// what a call passes.
func (r *reader) place(i int, s space) space {
	if r.err != nil {
		return s
	}
	row, offset, found := r.addressOf(r.statement.args[i], s)
	r.inst.a, r.inst.offset = row, offset
	return found
}

func (r *reader) addressOf(a arg, s space) (row int32, offset int64, found space) {
	if a.kind != addressArg {
		r.fail("an address in brackets expected")
		return noRow, 0, s
	}
	offset = int64(a.number)
	if a.name == "" {
		return r.constant(0), offset, s
	}
	if reg, ok := r.names.register(a.name, r.decoder); ok {
		if reg.typ.float() || reg.typ.bytes() != 8 && (reg.typ.bytes() != 4 || s == generic || s == global) {
			r.fail("%s (%v) cannot hold a %v address", a.name, reg.typ, s)
		}
		return reg.at, offset, s
	}
	p := r.names.variable(a.name)
	if p == nil {
		r.fail("%s is not declared", a.name)
		return noRow, 0, s
	}
	if p.variable.space != s {
		r.fail("%s lies in .%v memory, not .%v", a.name, p.variable.space, s)
	}
	return r.address(p), offset, p.space
}

// touches notes an access of a number of bytes for the counters and the race detector's grain.
func (r *reader) touches(s space, bytes, grain int) {
	r.origin.space, r.origin.bytes = s, bytes
	g := uint(bits.TrailingZeros(uint(min(grain, 4))))
	if s == shared || s == generic {
		r.program.grain[0] = min(r.program.grain[0], g)
	}
	if s == global || s == generic {
		r.program.grain[1] = min(r.program.grain[1], g)
	}
}

// vector takes .v2 or .v4 and the type, and returns the operands that hold the elements.
func (r *reader) vector(i int) (scalar, []arg) {
	n := map[string]int{"": 1, "v2": 2, "v4": 4}[r.oneOf("v2 v4")]
	t := r.typ("b8 u8 s8 b16 b32 b64 f32 f64 " + integers)
	if !r.want(2) {
		return t, nil
	}
	a := r.statement.args[i]
	if n == 1 && a.kind == nameArg || n == 1 && a.kind == numberArg {
		return t, []arg{a}
	}
	if a.kind != listArg || len(a.list) != n || n == 1 {
		r.fail("a list of %d registers expected", n)
	}
	if n*t.bytes() > 16 {
		r.fail("%d elements of %v are more than 16 bytes", n, t)
	}
	return t, a.list
}

func decodeLoad(r *reader) {
	r.oneOf("volatile weak")
	s := r.takeSpace("global shared shared::cta local const param param::entry param::func")
	r.takeHints("ca cg cs lu cv nc")
	t, elements := r.vector(0)
	var to []int32
	var widths []int
	for _, e := range elements {
		to = append(to, r.target(e, t, true))
		reg, _ := r.names.register(e.name, r.decoder)
		widths = append(widths, max(reg.typ.bits(), t.bits()))
	}
	s = r.place(1, s)
	size := t.bytes()
	m := memory{space: s, size: size * len(elements), how: reading}
	r.touches(s, m.size, size)
	r.apply(func(w *warp, in *inst, mask uint32) {
		var held *sync.Mutex
		base := &w.rows[in.a]
		for ; mask != 0; mask &= mask - 1 {
			lane := bits.TrailingZeros32(mask)
			address := base[lane] + uint64(in.offset)
			region, offset := w.span(m, lane, address)
			if region == nil {
				break
			}
			held = w.lock(region, offset, held)
			if !w.admit(m, region, offset, lane, nil) {
				break
			}
			w.count(region, offset, m.size)
			for i, row := range to {
				value := get(region.data[offset+i*size:], size)
				if t.signed() {
					value = extend(value, size*8) & ones(widths[i])
				}
				w.rows[row][lane] = value
			}
		}
		unlock(held)
		w.traffic.finish(&w.block.tallies[w.pc])
	})
}

// count adds a lane's access to the traffic of its request.
func (w *warp) count(r *region, offset, n int) {
	switch r.space {
	case shared:
		w.traffic.shared(offset, n)
	case global:
		w.traffic.global(r.base+uint64(offset), n)
	}
}

func decodeStore(r *reader) {
	r.oneOf("volatile weak")
	s := r.takeSpace("global shared shared::cta local param param::func")
	r.takeHints("wb cg cs wt")
	t, elements := r.vector(1)
	var from []int32
	for _, e := range elements {
		from = append(from, r.source(e, t, true))
	}
	s = r.place(0, s)
	if s == param {
		r.fail("a kernel's parameters cannot be written")
	}
	size := t.bytes()
	m := memory{space: s, size: size * len(elements), how: writing}
	r.touches(s, m.size, size)
	r.apply(func(w *warp, in *inst, mask uint32) {
		var held *sync.Mutex
		base := &w.rows[in.a]
		for ; mask != 0; mask &= mask - 1 {
			lane := bits.TrailingZeros32(mask)
			address := base[lane] + uint64(in.offset)
			region, offset := w.span(m, lane, address)
			if region == nil {
				break
			}
			var value [16]byte
			for i, row := range from {
				put(value[i*size:], w.rows[row][lane], size)
			}
			held = w.lock(region, offset, held)
			if !w.admit(m, region, offset, lane, value[:m.size]) {
				break
			}
			w.count(region, offset, m.size)
			copy(region.data[offset:], value[:m.size])
			region.mark(offset, m.size)
		}
		unlock(held)
		w.traffic.finish(&w.block.tallies[w.pc])
	})
}

// decodePrefetch decodes prefetch, a hint that changes nothing; its address is not looked at.
func decodePrefetch(r *reader) {
	r.takeSpace("global local")
	r.must("L1 L2")
	if r.want(1) {
		r.place(0, generic)
	}
}

func init() {
	define("ld", decodeLoad)
	define("st", decodeStore)
	define("prefetch", decodePrefetch)
}
