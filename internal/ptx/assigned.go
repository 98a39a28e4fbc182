package ptx

// rowUse is which rows of registers an instruction reads and writes.
type rowUse struct{ read, written []int32 }

// readBeforeWritten returns the rows that some way through the program reads before it writes them: those must be reset for every block,
// so that no run depends on what another left behind. All others, which are nearly all, may keep their values.
//
// It is the classic analysis of definite assignment: a row is assigned at an instruction if it is on all ways that lead there.
func (d *decoder) readBeforeWritten() []int32 {
	code := d.program.code
	assigned := make([]bitSet, len(code)) // before each instruction; nil where no way that was followed leads
	assigned[0] = newBitSet(d.program.rows)
	for changed := true; changed; {
		changed = false
		for pc := range code {
			if assigned[pc] == nil {
				continue
			}
			after := assigned[pc].clone()
			if code[pc].guard < 0 {
				after.add(d.rows[pc].written)
			}
			for _, next := range code[pc].next(pc) {
				if assigned[next] == nil {
					assigned[next], changed = after.clone(), true
				} else if assigned[next].intersect(after) {
					changed = true
				}
			}
		}
	}
	unset := newBitSet(d.program.rows)
	for pc, before := range assigned {
		for _, row := range d.rows[pc].read {
			if before != nil && !before.has(row) {
				unset.add([]int32{row})
			}
		}
	}
	return unset.members()
}

// next returns where a lane may go after the instruction at pc.
func (in *inst) next(pc int) []int {
	switch {
	case in.flow == branch && in.guard < 0:
		return []int{int(in.target)}
	case in.flow == branch:
		return []int{int(in.target), pc + 1}
	case in.flow == exit && in.guard < 0:
		return nil
	}
	return []int{pc + 1}
}

// bitSet is a set of rows.
type bitSet []uint64

func newBitSet(size int) bitSet { return make(bitSet, (size+63)/64) }

func (s bitSet) clone() bitSet { return append(bitSet(nil), s...) }

func (s bitSet) has(i int32) bool { return s[i/64]>>(i%64)&1 != 0 }

func (s bitSet) add(members []int32) {
	for _, i := range members {
		s[i/64] |= 1 << (i % 64)
	}
}

// intersect removes what is not in other, and reports whether anything was.
func (s bitSet) intersect(other bitSet) bool {
	removed := false
	for i := range s {
		kept := s[i] & other[i]
		removed = removed || kept != s[i]
		s[i] = kept
	}
	return removed
}

func (s bitSet) members() []int32 {
	var all []int32
	for i := range int32(64 * len(s)) {
		if s.has(i) {
			all = append(all, i)
		}
	}
	return all
}
