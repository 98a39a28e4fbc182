package train

import (
	"math/bits"
	"math/rand/v2"
)

// permutation puts 0 to n-1 into a random order without a list of them: a Feistel network (Luby and Rackoff 1988) over the next power of 4,
// walked until it meets a number below n.
type permutation struct {
	n    int
	half int // bits of each half
	keys [4]uint64
}

func newPermutation(n int, random *rand.Rand) *permutation {
	p := &permutation{n: n, half: max(1, (bits.Len(uint(n-1))+1)/2)}
	for i := range p.keys {
		p.keys[i] = random.Uint64()
	}
	return p
}

// at is where i goes.
func (p *permutation) at(i int) int {
	mask := uint64(1)<<p.half - 1
	for v := uint64(i); ; {
		left, right := v>>p.half, v&mask
		for _, key := range p.keys {
			left, right = right, left^mix(right^key)&mask
		}
		if v = left<<p.half | right; v < uint64(p.n) {
			return int(v)
		}
	}
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood 2014), every bit of which depends on every bit of v.
func mix(v uint64) uint64 {
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}
