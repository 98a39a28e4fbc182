package main

import (
	"math"
	"testing"

	"trainer/internal/collective"
)

func TestFitFindsTheConstantsBehindSteps(t *testing.T) {
	want := constants{Compute: 0.2, Overlap: 0.5, HostByte: 1e-9}
	var seen []observation
	for _, gigabits := range []float64{1, 4, 10} {
		const gradients = 21e6
		rate := gigabits * gigabit
		seen = append(seen, observation{gradients, rate, want.step(gradients, rate)})
	}
	got := fit(seen)
	for _, gigabits := range []float64{2, 6} {
		if a, b := got.step(21e6, gigabits*gigabit), want.step(21e6, gigabits*gigabit); math.Abs(a/b-1) > 0.02 {
			t.Errorf("at %g Gbit/s: %.4f s by the fit %+v, want %.4f", gigabits, a, got, b)
		}
	}
}

func TestGradientsBesideTheBackwardPassCostNothing(t *testing.T) {
	c := constants{Compute: 1, Overlap: 0.5}
	// Of two exchanges of 0.4 s each one is hidden; of 0.6 s, 0.1 s of it is not.
	for bytes, want := range map[float64]float64{0.4: 1.4, 0.6: 1.7} {
		if got := c.step(bytes, 1); math.Abs(got-want) > 1e-12 {
			t.Errorf("%g bytes at 1 byte a second: %g s, want %g", bytes, got, want)
		}
	}
}

func TestMeterCountsWhatARankSends(t *testing.T) {
	m := &meter{Communicator: third{}}
	m.ReduceScatter(make([]float32, 10), []int{0, 2, 5, 10}) // 2 to rank 0, 5 to rank 2
	m.AllGather(make([]byte, 10), []int{0, 2, 5, 10})        // 3 to both
	if want := int64(4*7 + 2*3); m.sent != want {
		t.Errorf("%d bytes, want %d", m.sent, want)
	}
}

// third is rank 1 of 3, whose operations do nothing.
type third struct{ collective.Alone }

func (third) Rank() int { return 1 }
func (third) Size() int { return 3 }

func TestMoreMachinesAreNeverMoreEfficient(t *testing.T) {
	m, w := h100s(), workloads[0]
	last := 1.0
	for _, ranks := range m.ranks {
		compute, whole := m.step(w, ranks, float64(w.context))
		if e := compute / whole; e >= last {
			t.Errorf("%d ranks: efficiency %.3f, with fewer %.3f", ranks, e, last)
		} else {
			last = e
		}
	}
}
