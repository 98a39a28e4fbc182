package model

import (
	"math/rand/v2"
	"testing"
)

func TestPlacesAreNeverTakenTwiceAndAllComeBack(t *testing.T) {
	const size = 64
	random := rand.New(rand.NewPCG(1, 2))
	var p places
	p.reset(size)
	type taken struct{ first, n int }
	var held []taken
	used, refused := [size]bool{}, 0
	for range 5000 {
		if n := 1 + random.IntN(20); random.IntN(2) == 0 {
			first, ok := p.take(n)
			if !ok {
				refused++
				continue
			}
			for i := first; i < first+n; i++ {
				if used[i] {
					t.Fatalf("place %d is taken twice", i)
				}
				used[i] = true
			}
			held = append(held, taken{first, n})
		} else if len(held) > 0 {
			i := random.IntN(len(held))
			for j := held[i].first; j < held[i].first+held[i].n; j++ {
				used[j] = false
			}
			p.free(held[i].first, held[i].n)
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
		}
	}
	for _, h := range held {
		p.free(h.first, h.n)
	}
	if first, ok := p.take(size); !ok || first != 0 || refused == 0 {
		t.Errorf("with all places free again they are %v, and %d were refused on the way", p.gaps, refused)
	}
	if _, ok := p.take(1); ok {
		t.Error("a place was taken where all are")
	}
}
