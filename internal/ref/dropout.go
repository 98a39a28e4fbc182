package ref

import "math"

// Dropout sets a share of the elements of x [len(rows), c] to 0 and multiplies the others by 1/(1 - rate), so that the mean stays (Srivastava
// et al. 2014, in the inverted form). Nothing is drawn and no mask is kept: whether an element falls is a function of key [2], which stands for
// the step, the salt, which stands for the place in the model, the number that its row has in rows, and its column. The same mask on the
// gradient is the derivative. dst may be x.
func Dropout[F Float](dst, x []F, key, rows []int32, c int, salt uint32, rate float64) {
	threshold, scale := DropoutThreshold(rate), F(DropoutScale(rate))
	for i, number := range rows {
		row := NewDropoutRow(key, salt, number)
		for j, v := range x[i*c : (i+1)*c] {
			if row.bits(uint32(j)) >= threshold {
				dst[i*c+j] = v * scale
			} else {
				dst[i*c+j] = 0
			}
		}
	}
}

// DropoutThreshold is the number below which the bits of elements that fall are: rate of all 2³² numbers.
func DropoutThreshold(rate float64) uint32 {
	return uint32(min(math.Round(rate*(1<<32)), math.MaxUint32))
}

// DropoutScale is 1/(1 - rate), rounded to float32 as all kernels have it.
func DropoutScale(rate float64) float32 { return float32(1 / (1 - rate)) }

// DropoutRow is what key, salt and the number of a row come to: 64 bits, as rows whose 32 bits agree do turn up.
type DropoutRow struct{ First, Second uint32 }

// NewDropoutRow mixes the key [2], the salt and the number of a row.
func NewDropoutRow(key []int32, salt uint32, number int32) DropoutRow {
	const golden = 0x9e3779b9 // so that nothing is mixed from 0, which stays 0
	first := mix(uint32(key[0]) ^ mix(salt+golden))
	second := mix(uint32(key[1]) + first)
	return DropoutRow{First: mix(uint32(number) + first), Second: mix(uint32(number) ^ second)}
}

// bits are 32 evenly distributed bits of the element in column j.
func (r DropoutRow) bits(j uint32) uint32 { return mixWith(r.First+j, r.Second) }

// mix is a permutation of 32 bits in which each bit of the result depends on all (Wellons 2018, "Prospecting for Hash Functions", lowbias32).
func mix(h uint32) uint32 { return mixWith(h, 0) }

// mixWith is mix that takes in 32 more bits on the way.
func mixWith(h, more uint32) uint32 {
	h ^= h >> 16
	h *= 0x7feb352d
	h ^= more
	h ^= h >> 15
	h *= 0x846ca68b
	return h ^ h>>16
}
