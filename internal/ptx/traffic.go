package ptx

import "math/bits"

// What one request of a warp costs: sectors of 32 bytes of global memory, and wavefronts of shared memory, one for each different word
// that a bank must deliver. Lanes come in order; as many as move 128 bytes share a phase, in which a bank delivers one word a wavefront.

const (
	sectorBytes = 32
	banks       = 32
	bankBytes   = 4
	phaseBytes  = banks * bankBytes // what shared memory delivers at once
)

// countGlobal adds the sectors that the accesses of the lanes of mask touch. An access, being aligned, lies in one.
func (t *tally) countGlobal(at *[lanes]uint64, mask uint32) {
	var sectors [lanes]uint64 // different ones, in the order of their first use
	n, highest := 0, uint64(0)
	for ; mask != 0; mask &= mask - 1 {
		s := at[bits.TrailingZeros32(mask)%lanes]/sectorBytes + 1
		if s > highest {
			highest = s
		} else if n > 0 && s == sectors[(n-1)%lanes] || contains(sectors[:n], s) {
			continue
		}
		sectors[n%lanes] = s
		n++
	}
	t.sectors += uint64(n)
}

// countShared adds the wavefronts of the lanes of mask, which access size bytes each.
func (t *tally) countShared(at *[lanes]uint64, mask uint32, size int) {
	if mask == 0 {
		return
	}
	width := max(size, bankBytes) // a lane's banks: those of its access, which no other access overlaps in part
	shift, group := uint(bits.TrailingZeros(uint(width))), uint64(phaseBytes/width)
	for mask != 0 {
		var (
			units [lanes]uint64 // that lanes of the phase access, of width bytes
			first [banks]uint64 // unit of each group of banks
			n     uint64
			used  uint32
			clash bool
		)
		for ; mask != 0 && n < group; mask &= mask - 1 {
			unit := at[bits.TrailingZeros32(mask)%lanes] >> shift
			bank := unit & (group - 1) % banks
			if used>>bank&1 == 0 {
				used |= 1 << bank
				first[bank] = unit
			}
			clash = clash || first[bank] != unit
			units[n%lanes] = unit
			n++
		}
		t.waves++
		if clash {
			extra := conflicts(units[:n], group)
			t.waves += extra
			t.conflicts += extra
		}
	}
}

// conflicts returns how many wavefronts a phase takes more than one: a group of banks delivers its different units one after the other.
func conflicts(units []uint64, group uint64) uint64 {
	var different [banks]uint64
	worst := uint64(0)
	for i, unit := range units {
		if !contains(units[:i], unit) {
			different[unit%group]++
			worst = max(worst, different[unit%group])
		}
	}
	return worst - 1
}

func contains(list []uint64, x uint64) bool {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == x {
			return true
		}
	}
	return false
}
