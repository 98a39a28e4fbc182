package main

import (
	"fmt"
	"strings"

	"trainer/internal/cuda/kernels"
)

// entry is a line of the ledger: what all launches of a use do in a step.
type entry struct {
	*use
	title string
	counts
	least float64 // bytes
	apart bool
}

// tolerance is how far the count in between may be from the line.
const tolerance = 0.01

// ledger counts what each use of a kernel does in a step.
func ledger(log []kernels.Launch, families []family) ([]entry, error) {
	c := newCounter()
	var all []entry
	for _, u := range uses(log) {
		f, err := familyOf(u, families)
		if err != nil {
			return nil, err
		}
		once, err := c.whole(u, f)
		if err != nil {
			return nil, err
		}
		times := float64(u.times)
		all = append(all, entry{u, f.title(u), counts{}.plus(once, times), times * f.least(u), f.apart})
	}
	return all, nil
}

func familyOf(u *use, families []family) (*family, error) {
	for i := range families {
		if strings.HasPrefix(u.Kernel, families[i].kernels) {
			return &families[i], nil
		}
	}
	return nil, fmt.Errorf("the step launches %s, of which family.go does not say how to count it", u.Kernel)
}

// whole is what one launch does.
func (c *counter) whole(u *use, f *family) (counts, error) {
	if f.small == nil {
		return c.count(u.Launch, nil)
	}
	var at [3]counts
	for i, size := range f.sizes {
		var err error
		if at[i], err = c.count(f.small(u, size)); err != nil {
			return counts{}, err
		}
	}
	straight := line(float64(f.sizes[0]), float64(f.sizes[2]), at[0], at[2])
	if off := straight(float64(f.sizes[1])).apart(at[1]); off > tolerance {
		return counts{}, fmt.Errorf("%s, %s: at size %d it does %+v, which is %.3g from the line through sizes %d and %d",
			u.Kernel, f.title(u), f.sizes[1], at[1], off, f.sizes[0], f.sizes[2])
	}
	sizes, times := f.full(u)
	var sum counts
	for _, size := range sizes {
		sum = sum.plus(straight(size), times)
	}
	return sum, nil
}
