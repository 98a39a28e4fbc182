package ptx

import "math/bits"

// traffic collects the addresses of one warp's memory request, to count what it costs: sectors of 32 bytes of global memory, and
// wavefronts of shared memory, one for each different word that a bank must deliver.
type traffic struct {
	sectors []uint64 // different ones, in the order of their first use
	words   [banks][]uint64
	used    uint32 // banks with words
	waves   int
	ideal   int
	inPhase int // lanes
}

const (
	sectorBytes = 32
	banks       = 32
	bankBytes   = 4
	phaseBytes  = banks * bankBytes // what shared memory delivers at once
)

// global adds a lane's access of n bytes.
func (t *traffic) global(address uint64, n int) {
	for s := address / sectorBytes; s <= (address+uint64(n)-1)/sectorBytes; s++ {
		if k := len(t.sectors); k == 0 || t.sectors[k-1] != s && !contains(t.sectors, s) {
			t.sectors = append(t.sectors, s)
		}
	}
}

// shared adds a lane's access of n bytes. Lanes come in order; as many as move 128 bytes share a phase.
func (t *traffic) shared(offset, n int) {
	if t.inPhase == phaseBytes/max(n, bankBytes) {
		t.endPhase()
	}
	t.inPhase++
	for word := uint64(offset / bankBytes); word <= uint64(offset+n-1)/bankBytes; word++ {
		bank := word % banks
		if t.used>>bank&1 == 0 {
			t.used |= 1 << bank
			t.words[bank] = append(t.words[bank][:0], word)
		} else if !contains(t.words[bank], word) {
			t.words[bank] = append(t.words[bank], word)
		}
	}
}

// endPhase counts the wavefronts of the lanes since the last phase.
func (t *traffic) endPhase() {
	if t.inPhase == 0 {
		return
	}
	worst := 1
	for m := t.used; m != 0; m &= m - 1 {
		worst = max(worst, len(t.words[bits.TrailingZeros32(m)]))
	}
	t.waves += worst
	t.ideal++
	t.used, t.inPhase = 0, 0
}

// finish adds the request to the tally and empties the collection.
func (t *traffic) finish(to *tally) {
	t.endPhase()
	to.requests++
	to.sectors += uint64(len(t.sectors))
	to.waves += uint64(t.waves)
	to.conflicts += uint64(t.waves - t.ideal)
	t.sectors, t.waves, t.ideal = t.sectors[:0], 0, 0
}

func contains(list []uint64, x uint64) bool {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == x {
			return true
		}
	}
	return false
}
