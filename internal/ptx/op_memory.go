package ptx

import (
	"encoding/binary"
	"math/bits"
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
		r.rows.read = append(r.rows.read, reg.at)
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
	l := load{memory{space: s, size: size * len(elements), how: reading}, size, t.signed(), to, widths}
	r.touches(s, l.size, size)
	r.apply(func(w *warp, in *inst, mask uint32) {
		if !w.whole(l.memory, &w.rows[in.a], in.offset, mask) {
			w.walk(l.memory, &w.rows[in.a], in.offset, mask, func(lane int, bytes []byte) { l.one(w, lane, bytes) })
			return
		}
		w.countWhole(l.size, mask)
		q := &w.request
		if mask == allLanes && size == 4 && !l.signed {
			l.words(w, q)
			return
		}
		for ; mask != 0; mask &= mask - 1 {
			lane := bits.TrailingZeros32(mask) % lanes
			l.one(w, lane, q.region.data[q.at[lane]:][:l.size])
		}
	})
}

// load is an ld: of elements of a number of bytes, to a row each, in which a signed one is extended to a width.
type load struct {
	memory
	element int // bytes
	signed  bool
	to      []int32
	widths  []int
}

// one loads what a lane reads.
func (l *load) one(w *warp, lane int, bytes []byte) {
	for i, row := range l.to {
		value := get(bytes[i*l.element:], l.element)
		if l.signed {
			value = extend(value, l.element*8) & ones(l.widths[i])
		}
		w.rows[row][lane] = value
	}
}

// words loads elements of 32 bits for all lanes.
func (l *load) words(w *warp, q *request) {
	data := q.region.data
	switch len(l.to) {
	case 1:
		d := &w.rows[l.to[0]]
		for i := range d {
			d[i] = uint64(binary.LittleEndian.Uint32(data[q.at[i]:]))
		}
	case 2:
		d, e := &w.rows[l.to[0]], &w.rows[l.to[1]]
		for i := range d {
			pair := binary.LittleEndian.Uint64(data[q.at[i]:])
			d[i], e[i] = pair&0xffffffff, pair>>32
		}
	case 4:
		d, e, f, g := &w.rows[l.to[0]], &w.rows[l.to[1]], &w.rows[l.to[2]], &w.rows[l.to[3]]
		for i := range d {
			four := data[q.at[i]:][:16]
			low, high := binary.LittleEndian.Uint64(four), binary.LittleEndian.Uint64(four[8:])
			d[i], e[i], f[i], g[i] = low&0xffffffff, low>>32, high&0xffffffff, high>>32
		}
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
	st := store{memory{space: s, size: size * len(elements), how: writing, agree: true}, size, from}
	r.touches(s, st.size, size)
	r.apply(func(w *warp, in *inst, mask uint32) {
		if !w.whole(st.memory, &w.rows[in.a], in.offset, mask) {
			w.walk(st.memory, &w.rows[in.a], in.offset, mask, func(lane int, bytes []byte) { st.one(w, lane, bytes) })
			return
		}
		w.countWhole(st.size, mask)
		q := &w.request
		if mask == allLanes && size == 4 {
			st.words(w, q)
		} else {
			for rest := mask; rest != 0; rest &= rest - 1 {
				lane := bits.TrailingZeros32(rest) % lanes
				st.one(w, lane, q.region.data[q.at[lane]:][:st.size])
			}
		}
		q.mark(st.size, mask)
	})
}

// store is an st: of elements of a number of bytes, from a row each.
type store struct {
	memory
	element int // bytes
	from    []int32
}

// one stores what a lane writes.
func (s *store) one(w *warp, lane int, bytes []byte) {
	for i, row := range s.from {
		put(bytes[i*s.element:], w.rows[row][lane], s.element)
	}
}

// words stores elements of 32 bits for all lanes.
func (s *store) words(w *warp, q *request) {
	data := q.region.data
	for i, row := range s.from {
		for lane, value := range &w.rows[row] {
			binary.LittleEndian.PutUint32(data[int(q.at[lane])+4*i:], uint32(value))
		}
	}
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
