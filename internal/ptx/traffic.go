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
	width := max(size, bankBytes) // of the group of banks that a lane needs; no other access, being aligned, needs a part of one
	shift, groups := uint(bits.TrailingZeros(uint(width))), phaseBytes/width
	var units [lanes]uint64 // that the lanes access, of width bytes
	n := 0
	if mask == allLanes {
		n = lanes
		for i := range units {
			units[i] = at[i] >> shift
		}
	} else {
		for ; mask != 0; mask &= mask - 1 {
			units[n%lanes] = at[bits.TrailingZeros32(mask)%lanes] >> shift
			n++
		}
	}
	var first [banks]uint64 // the unit that each group of banks delivers
	for start := 0; start < n; start += groups {
		phase := units[start:min(start+groups, n)]
		used, clash := uint32(0), false
		for _, unit := range phase {
			group := unit & uint64(groups-1) % banks
			if used>>group&1 == 0 {
				used |= 1 << group
				first[group] = unit
			} else if first[group] != unit {
				clash = true
			}
		}
		t.waves++
		if clash {
			extra := conflicts(phase, uint64(groups))
			t.waves += extra
			t.conflicts += extra
		}
	}
}

// conflicts returns how many wavefronts a phase takes more than one: a group of banks delivers its different units one after the other.
func conflicts(units []uint64, groups uint64) uint64 {
	var different [banks]uint64
	worst := uint64(0)
	for i, unit := range units {
		if !contains(units[:i], unit) {
			different[unit%groups]++
			worst = max(worst, different[unit%groups])
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
