package main

import (
	"fmt"
	"math"
)

// constants is what the model of a step's time is made of, for one model and batch on one kind of machine.
//
// A step of N ranks, each of which sends G = (N-1)/N · 4W bytes of gradients, then as many of weights, over a link of R bytes a second, takes
//
//	T = C + max(0, G·b − o·C) + G·b,   b = 1/R + h
//
// C is the time without any exchange, o the share of C beside which gradients can travel (what is left of the backward pass when its first
// bucket is final), and h what a byte costs both ends beyond the link: copies, sums, the kernel. Latency is added by predict, which has it from
// data sheets: that of the links here is far below what can be seen.
type constants struct {
	Compute  float64 `json:"compute_s"`           // C
	Overlap  float64 `json:"overlap_share"`       // o
	HostByte float64 `json:"host_seconds_a_byte"` // h

	flops float64 // that all ranks reach together within C, a second
}

// step returns T in seconds, for so many bytes of gradients and a rate in bytes a second.
func (c *constants) step(gradients, rate float64) float64 {
	exchange := gradients * (1/rate + c.HostByte)
	return c.Compute + max(0, exchange-c.Overlap*c.Compute) + exchange
}

// observation is a step that was measured.
type observation struct{ gradients, rate, seconds float64 }

// fit finds the constants with the least sum of squares of relative errors: by all values of o and h of a grid, and by the C that is best for
// each, which is sought between 0 and the shortest step by thirds, for the error has one valley there.
func fit(observations []observation) constants {
	shortest := math.Inf(1)
	for _, o := range observations {
		shortest = min(shortest, o.seconds)
	}
	loss := func(c constants) (sum float64) {
		for _, o := range observations {
			e := c.step(o.gradients, o.rate)/o.seconds - 1
			sum += e * e
		}
		return sum
	}
	var best constants
	least := math.Inf(1)
	for overlap := 0.0; overlap <= 1; overlap += 0.02 {
		for host := 0.0; host <= 5e-9; host += 2e-11 {
			low, high := 0.0, 1.05*shortest
			at := func(compute float64) constants { return constants{Compute: compute, Overlap: overlap, HostByte: host} }
			for range 40 {
				third := (high - low) / 3
				if loss(at(low+third)) < loss(at(high-third)) {
					high -= third
				} else {
					low += third
				}
			}
			if c := at((low + high) / 2); loss(c) < least {
				best, least = c, loss(c)
			}
		}
	}
	return best
}

// tolerance is how far the model may be from a run that it was not fitted to.
const tolerance = 0.15

// fitAndCheck fits the constants to the runs over links that are not held out, and prints how well they tell the others.
func fitAndCheck(runs []*series) *constants {
	var seen []observation
	of := func(s *series) observation { return observation{s.Least / 2, s.rate, s.Step / 1e3} }
	for _, s := range runs {
		if !s.held {
			seen = append(seen, of(s))
		}
	}
	c := fit(seen)
	c.flops = runs[0].FLOP / c.Compute
	fmt.Printf("model of a step: C %.1f ms (%.0f GFLOP/s), o %.2f, h %.2f ns a byte\n", 1e3*c.Compute, c.flops/1e9, c.Overlap, 1e9*c.HostByte)
	for _, s := range runs {
		o, kind := of(s), "fitted"
		if s.held {
			kind = "held out"
		}
		told := c.step(o.gradients, o.rate)
		off := told/o.seconds - 1
		fmt.Printf("%-26s measured %7.1f ms, model %7.1f ms, %+.1f %%, %s", s.Name, s.Step, 1e3*told, 100*off, kind)
		if s.held && math.Abs(off) > tolerance {
			fmt.Printf(": MISSED, expected within %.0f %%", 100*tolerance)
		}
		fmt.Println()
	}
	return &c
}
