package model

import "slices"

// places says which places of a cache are free. A sequence has neighbouring ones, as many as it can come to need.
type places struct {
	size int
	gaps []gap // in order, no two of them neighbours
}

// gap is free places from first to end.
type gap struct{ first, end int }

// reset makes all of so many places free.
func (p *places) reset(size int) { *p = places{size, append(p.gaps[:0], gap{0, size})} }

// take returns the first of n places that are free no longer; false where no gap is that large.
func (p *places) take(n int) (first int, ok bool) {
	i := slices.IndexFunc(p.gaps, func(g gap) bool { return g.end-g.first >= n })
	if i < 0 {
		return 0, false
	}
	first = p.gaps[i].first
	if p.gaps[i].first += n; p.gaps[i].first == p.gaps[i].end {
		p.gaps = slices.Delete(p.gaps, i, i+1)
	}
	return first, true
}

// free gives n places back.
func (p *places) free(first, n int) {
	i, _ := slices.BinarySearchFunc(p.gaps, first, func(g gap, first int) int { return g.first - first })
	p.gaps = slices.Insert(p.gaps, i, gap{first, first + n})
	for _, left := range []int{i, i - 1} {
		if left >= 0 && left+1 < len(p.gaps) && p.gaps[left].end == p.gaps[left+1].first {
			p.gaps[left].end = p.gaps[left+1].end
			p.gaps = slices.Delete(p.gaps, left+1, left+2)
		}
	}
}
