package ref

import (
	"fmt"
	"math"
	"testing"
)

// fallen are the masks of ones, an element each: whether it fell.
func fallen(key []int32, salt uint32, rows []int32, c int, rate float64) []bool {
	x := make([]float64, len(rows)*c)
	for i := range x {
		x[i] = 1
	}
	Dropout(x, x, key, rows, c, salt, rate)
	mask := make([]bool, len(x))
	for i, v := range x {
		mask[i] = v == 0
	}
	return mask
}

// upTo are the numbers 0 to n-1.
func upTo(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

// checkShare fails the test where the number of trues among n independent draws of probability p is 4.5 deviations away: for one good test
// in 150,000.
func checkShare(t *testing.T, what string, trues, n int, p float64) {
	t.Helper()
	if d := (float64(trues) - float64(n)*p) / math.Sqrt(float64(n)*p*(1-p)); math.Abs(d) > 4.5 {
		t.Errorf("%s: %d of %d, a share of %.4f, expected %g: %.1f deviations away", what, trues, n, float64(trues)/float64(n), p, d)
	}
}

func TestDropoutDropsItsRateAndKeepsTheMean(t *testing.T) {
	const rows, c = 512, 384
	for _, rate := range []float64{0.01, 0.1, 0.25, 0.5, 0.9} {
		x := make([]float64, rows*c)
		for i := range x {
			x[i] = 1
		}
		Dropout(x, x, []int32{1, 2}, upTo(rows), c, 3, rate)
		zeros, kept := 0, float64(float32(1/(1-rate)))
		for i, v := range x {
			switch v {
			case 0:
				zeros++
			case kept:
			default:
				t.Fatalf("element %d of ones became %g, expected 0 or %g", i, v, kept)
			}
		}
		checkShare(t, fmt.Sprintf("zeros at rate %g", rate), zeros, rows*c, rate)
	}
}

func TestDropoutAtTheEndsOfItsRate(t *testing.T) {
	for _, rate := range []float64{0, 1 - 1e-12} {
		for i, gone := range fallen([]int32{1, 2}, 0, upTo(50), 50, rate) {
			if gone != (rate > 0) {
				t.Fatalf("rate %g: element %d fell: %v", rate, i, gone)
			}
		}
	}
}

// Every step, place in the model, row and column has a mask of its own: two fall together as often as the product of their rates says.
func TestDropoutMasksAreIndependent(t *testing.T) {
	const rows, c, rate = 256, 256, 0.3
	base := fallen([]int32{7, 9}, 4, upTo(rows), c, rate)
	together := func(what string, other []bool, shift int) {
		t.Helper()
		both := 0
		for i := range len(base) - shift {
			if base[i+shift] && other[i] {
				both++
			}
		}
		checkShare(t, what, both, len(base)-shift, rate*rate)
	}
	for bit := range 32 {
		flip := int32(uint32(1) << bit)
		together(fmt.Sprintf("key 0, bit %d", bit), fallen([]int32{7 ^ flip, 9}, 4, upTo(rows), c, rate), 0)
		together(fmt.Sprintf("key 1, bit %d", bit), fallen([]int32{7, 9 ^ flip}, 4, upTo(rows), c, rate), 0)
		together(fmt.Sprintf("salt, bit %d", bit), fallen([]int32{7, 9}, 4^uint32(flip), upTo(rows), c, rate), 0)
		if bit < 8 { // among the rows of the mask itself
			continue
		}
		numbers := upTo(rows)
		for i := range numbers {
			numbers[i] ^= flip
		}
		together(fmt.Sprintf("row, bit %d", bit), fallen([]int32{7, 9}, 4, numbers, c, rate), 0)
	}
	for _, shift := range []int{1, 2, 3, 4, 8, 16, 31, 128} {
		together(fmt.Sprintf("%d columns on", shift), base, shift)
		together(fmt.Sprintf("%d rows on", shift), base, shift*c)
		together(fmt.Sprintf("%d rows and columns on", shift), base, shift*c+shift)
	}
}

// Bytes of the hash are evenly distributed, whichever columns and rows they are of: χ² of 255 degrees of freedom lies within 255 ± 4.5·√510.
func TestBitsOfDropoutAreEvenlyDistributed(t *testing.T) {
	const rows, c = 256, 512
	for part := range 4 {
		var count [256]int
		for number := range int32(rows) {
			row := NewDropoutRow([]int32{3, 5}, 1, number)
			for j := range uint32(c) {
				count[row.bits(j)>>(8*part)&0xff]++
			}
		}
		const expected = rows * c / 256.0
		sum := 0.0
		for _, n := range count {
			sum += (float64(n) - expected) * (float64(n) - expected) / expected
		}
		if deviation := (sum - 255) / math.Sqrt(2*255); math.Abs(deviation) > 4.5 {
			t.Errorf("byte %d: χ² is %.0f, %.1f deviations from 255", part, sum, deviation)
		}
	}
}

func TestDropoutIsTheSameForARowWhereverItStands(t *testing.T) {
	const c = 33
	numbers := []int32{5, -1, 70000, 5, math.MaxInt32, math.MinInt32}
	all := fallen([]int32{1, -2}, 8, numbers, c, 0.5)
	for i, number := range numbers {
		alone := fallen([]int32{1, -2}, 8, []int32{number}, c, 0.5)
		for j := range alone {
			if alone[j] != all[i*c+j] {
				t.Fatalf("row %d, number %d, column %d: the mask of the row alone differs", i, number, j)
			}
		}
	}
}
