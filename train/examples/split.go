package examples

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// Split sets aside a fraction, 0 to less than 1, of the questions, chosen by seed. Repeated examples stay together, so that
// no question held out is in train. Unless the fraction is 0 or there is one question alone, each side gets at least one
// question. Both sides keep the order of examples; the same examples, fraction and seed always give the same split.
func Split(examples []Example, fraction float64, seed uint64) (train, heldOut []Example) {
	if !(fraction >= 0 && fraction < 1) {
		panic(fmt.Sprintf("examples: fraction %v held out, expected 0 to less than 1", fraction))
	}
	var questions []string
	held := map[string]bool{} // every question; true where it is held out
	for _, e := range examples {
		if _, ok := held[e.Question]; !ok {
			held[e.Question] = false
			questions = append(questions, e.Question)
		}
	}
	for _, question := range choose(questions, share(len(questions), fraction), seed) {
		held[question] = true
	}
	for _, e := range examples {
		if held[e.Question] {
			heldOut = append(heldOut, e)
		} else {
			train = append(train, e)
		}
	}
	return train, heldOut
}

// share returns the fraction of n, rounded, but neither none nor all of several.
func share(n int, fraction float64) int {
	if fraction == 0 || n < 2 {
		return 0
	}
	return min(max(int(math.Round(fraction*float64(n))), 1), n-1)
}

// choose moves k items, chosen by seed, to the front of items and returns them: the first k steps of a Fisher-Yates
// shuffle. Of package rand it uses only the PCG sequence, which is fixed, unlike the methods that draw from it.
func choose(items []string, k int, seed uint64) []string {
	source := rand.NewPCG(seed, 0)
	for i := range k {
		// The high word of the product is uniform over the n items that are left, but for a bias of n/2⁶⁴.
		offset, _ := bits.Mul64(source.Uint64(), uint64(len(items)-i))
		j := i + int(offset)
		items[i], items[j] = items[j], items[i]
	}
	return items[:k]
}
