package kernels

import (
	"fmt"
	"math"
)

// tiling is a way to cut c into tiles, each made by a block.
type tiling struct {
	rows, columns int
	threads       int
	resident      int     // blocks that a multiprocessor runs at once
	speed         float64 // share of the multiprocessor's peak, by the traffic of shared memory and the waits between strips
}

// productKernels are the kernels of one file that make products.
type productKernels struct {
	source  string
	tilings []tiling
	strip   int     // steps of k that are in shared memory at a time
	stages  int     // strips of a and of b that are
	bytes   int     // of shared memory for a step of k and an element of the span
	pad     int     // elements that the span has more in shared memory
	rate    float64 // multiply-adds of a multiprocessor a clock: those of an A100, as are the next constants
}

// What the choice of a plan supposes of a GPU: an A100. On one with more multiprocessors some stay idle; with fewer than supposed, a last
// round of few blocks would take as long as a full one.
const (
	multiprocessors = 108
	bytesPerClock   = 10   // of memory, for each multiprocessor
	launchClocks    = 3000 // between the end of a kernel and the beginning of the next, 2 µs
	fillStrips      = 4    // of time before a block's first strip and behind its last
	leastStrips     = 4    // of a part
	mostParts       = 64
	mostScratch     = 16 << 20 // floats of all parts
)

// plan is how a product is made: in tiles, and in parts of kPerPart steps of k, which are added in order. Plans depend on the shape
// alone, as do the bits of the result.
type plan struct {
	tiling
	parts, kPerPart int
}

// in is the plan with a tiling and about so many parts: whole strips for each, and no part empty.
func (k productKernels) in(t tiling, parts int, p Product) plan {
	perPart := ceilDiv(ceilDiv(p.K, parts), k.strip) * k.strip
	return plan{tiling: t, parts: ceilDiv(p.K, perPart), kPerPart: perPart}
}

// tiles is the number of tiles of c.
func (t tiling) tiles(p Product) int { return ceilDiv(p.M, t.rows) * ceilDiv(p.N, t.columns) }

// clocks estimates how long a plan takes.
func (k productKernels) clocks(w plan, p Product) float64 {
	rounds := ceilDiv(w.tiles(p)*w.parts, multiprocessors*w.resident)
	steps := w.kPerPart + fillStrips*k.strip
	clocks := float64(rounds*w.resident*w.rows*w.columns*steps) / (k.rate * w.speed)
	if w.parts > 1 {
		const written, read = 4, 4 // bytes of float32
		clocks += launchClocks + float64((written+read)*w.parts*p.M*p.N)/(bytesPerClock*multiprocessors)
	}
	return clocks
}

// plan is the fastest way to make a product, by estimate.
func (k productKernels) plan(p Product) plan {
	best, least := plan{}, math.Inf(1)
	for _, t := range k.tilings {
		limit := max(1, min(mostParts, ceilDiv(p.K, k.strip*leastStrips), mostScratch/(p.M*p.N)))
		for parts := 1; parts <= limit; parts++ {
			w := k.in(t, parts, p)
			if clocks := k.clocks(w, p); clocks < least {
				best, least = w, clocks
			}
		}
	}
	return best
}

// scratch is the number of floats that a plan needs beside c: none where there is but one part.
func (w plan) scratch(p Product) int {
	if w.parts == 1 {
		return 0
	}
	return w.parts * p.M * p.N
}

// launch makes a product, or its parts with c for all of them. The arguments are the kernel's up to its epilogue's function.
func (k productKernels) launch(w plan, p Product, args ...any) Launch {
	g := grid(w.tiles(p), w.parts)
	return Launch{
		Source: k.source, Kernel: fmt.Sprintf("%s_%s_%dx%d", k.source, p.suffix(), w.rows, w.columns), Grid: g, Block: w.threads,
		Shared: k.stages * k.strip * (w.rows + w.columns + 2*k.pad) * k.bytes,
		Args:   append(args, int32(p.M), int32(p.N), int32(p.K), int32(w.kPerPart)),
	}
}

// sumOfParts adds the parts of a product and does what its epilogue says.
func sumOfParts(c Floats, parts Pointer, w plan, p Product, e Epilogue) Launch {
	threads, width := 256, 1
	if p.N%4 == 0 {
		width = 4
	}
	return Launch{
		Source: "matmul_sum", Kernel: "matmul_sum", Grid: grid(ceilDiv(p.M*p.N, threads*width), 1), Block: threads,
		Args: []any{c.At, parts, int32(w.parts), e.Bias, e.Addend, e.Pre.At, int32(e.Function), flag(c.BF16), int32(p.M), int32(p.N)},
	}
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
