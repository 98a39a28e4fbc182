// Package collectivetest holds what every collective.Communicator must do, as one rank sees it: Check runs on all ranks at the same time.
package collectivetest

import (
	"bytes"
	"fmt"
	"math"

	"trainer/internal/collective"
)

// Check goes through all operations, and returns the first thing that is wrong on this rank.
func Check(c collective.Communicator) error {
	for _, unit := range []int{0, 1, 1000, 100_000} {
		if err := several(c, unit); err != nil {
			return fmt.Errorf("parts of multiples of %d elements: %w", unit, err)
		}
	}
	return words(c)
}

// several has operations of each kind under way at the same time. Rank r has r parts of unit elements, rank 0 none.
func several(c collective.Communicator, unit int) error {
	rank, size := c.Rank(), c.Size()
	bounds, inBytes := []int{0}, []int{0}
	for r := range size {
		bounds = append(bounds, bounds[r]+r*unit)
		inBytes = append(inBytes, 4*bounds[r+1])
	}
	n := bounds[size]

	// A sum in another order than that of the ranks would round otherwise.
	value := func(rank, i int) float32 {
		return float32(math.Sin(float64(i+7*rank))) * float32(math.Pow(10, float64((i+rank)%7)))
	}
	first, second := make([]float32, n), make([]float32, n)
	for i := range first {
		first[i], second[i] = value(rank, i), value(rank, n-i)
	}
	whole := make([]byte, 4*n)
	filled := func(r, i int) byte { return byte(31*r + i) }
	for i := inBytes[rank]; i < inBytes[rank+1]; i++ {
		whole[i] = filled(rank, i)
	}
	part := bytes.Clone(whole[inBytes[rank]:inBytes[rank+1]])
	var collected []byte
	if rank == 0 {
		collected = make([]byte, 4*n)
	}
	word := bytes.Repeat([]byte{byte(rank)}, unit+1)
	requests := []collective.Request{
		c.ReduceScatter(first, bounds), c.AllGather(whole, inBytes), c.ReduceScatter(second, bounds),
		c.Gather(part, collected, inBytes), c.Broadcast(word),
	}
	if err := collective.All(requests); err != nil {
		return err
	}

	for i := bounds[rank]; i < bounds[rank+1]; i++ {
		var a, b float32
		for r := range size {
			if r == 0 {
				a, b = value(r, i), value(r, n-i)
			} else {
				a, b = a+value(r, i), b+value(r, n-i)
			}
		}
		if first[i] != a || second[i] != b {
			return fmt.Errorf("element %d of two sums is %g and %g on rank %d, want %g and %g", i, first[i], second[i], rank, a, b)
		}
	}
	for i := range first {
		if own := bounds[rank] <= i && i < bounds[rank+1]; !own && first[i] != value(rank, i) {
			return fmt.Errorf("element %d of rank %d was %g ahead of a sum and is %g: expected no change of others' parts", i, rank, value(rank, i), first[i])
		}
	}
	for r := range size {
		for i := inBytes[r]; i < inBytes[r+1]; i++ {
			if whole[i] != filled(r, i) || collected != nil && collected[i] != filled(r, i) {
				return fmt.Errorf("byte %d, of rank %d, is %d on rank %d, want %d", i, r, whole[i], rank, filled(r, i))
			}
		}
	}
	if !bytes.Equal(word, make([]byte, unit+1)) {
		return fmt.Errorf("rank 0 has sent zeros to all, and rank %d has %v", rank, word[0])
	}
	return nil
}

// words checks what is built on the operations.
func words(c collective.Communicator) error {
	name := func(r int) string { return fmt.Sprintf("%0*d", r+1, r) }
	list, err := collective.Exchange(c, []byte(name(c.Rank())))
	if err != nil {
		return err
	}
	for r, text := range list {
		if string(text) != name(r) {
			return fmt.Errorf("rank %d has heard %q of rank %d, want %q", c.Rank(), text, r, name(r))
		}
	}
	data, err := collective.Lead(c, func() ([]byte, error) { return []byte(name(c.Rank())), nil })
	if err != nil || string(data) != name(0) {
		return fmt.Errorf("rank %d was told %q, %w", c.Rank(), data, err)
	}
	return nil
}
