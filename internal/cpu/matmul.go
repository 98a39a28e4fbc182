package cpu

import (
	"trainer/internal/cpu/kernel"
	"trainer/internal/op"
	"trainer/internal/team"
)

// tileRows and tileCols are the grain in which a product is divided: multiples of the tiles of every Gemm kernel but the last.
const (
	tileRows = 14
	tileCols = 32
)

// matMul divides the rows of a product, or its columns where there are more of these.
func (c *binding) matMul(k op.MatMul) []team.Phase {
	m, n, depth := k.Sizes(c.dims(0), c.dims(1))
	whole := kernel.Gemm{M: m, N: n, K: depth, A: c.in(0), StrideA: c.dims(0)[1], TransA: k.TransA,
		B: c.in(1), StrideB: c.dims(1)[1], TransB: k.TransB, C: c.out(0), StrideC: n, Weights: c.weights(k)}
	if k.Bias {
		whole.Bias = c.in(2)
	}
	pieces := make([]kernel.Gemm, c.team.Size())
	need := 0
	for w := range pieces {
		if m/tileRows >= n/tileCols {
			lo, hi := team.Share(m, tileRows, w, len(pieces))
			pieces[w] = someRows(whole, lo, hi)
		} else {
			grain := tileCols
			if whole.Weights != nil {
				grain = kernel.WeightPanel
			}
			lo, hi := team.Share(n, grain, w, len(pieces))
			pieces[w] = someColumns(whole, lo, hi)
		}
		need = max(need, c.kernels.GemmScratch(pieces[w].M, pieces[w].N, depth))
	}
	c.reserve(need)
	return []team.Phase{func(worker, _ int) {
		if g := &pieces[worker]; g.M > 0 && g.N > 0 {
			c.kernels.Gemm(g, c.scratch[worker])
		}
	}}
}

// someRows returns the product of rows lo to hi of op(A).
func someRows(g kernel.Gemm, lo, hi int) kernel.Gemm {
	g.M = hi - lo
	if g.TransA {
		g.A = g.A[min(lo, len(g.A)):]
	} else {
		g.A = g.A[lo*g.StrideA:]
	}
	g.C = g.C[lo*g.StrideC:]
	return g
}

// someColumns returns the product with columns lo to hi of op(B).
func someColumns(g kernel.Gemm, lo, hi int) kernel.Gemm {
	g.N = hi - lo
	switch {
	case g.Weights != nil:
		g.Weights = g.Weights.Columns(lo, hi)
	case g.TransB:
		g.B = g.B[lo*g.StrideB:]
	default:
		g.B = g.B[min(lo, len(g.B)):]
	}
	if g.Bias != nil {
		g.Bias = g.Bias[lo:hi]
	}
	g.C = g.C[min(lo, len(g.C)):]
	return g
}
