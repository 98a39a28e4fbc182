package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// closeOnAverage fails the test where the differences are larger than a share of the values, as roots of mean squares.
func closeOnAverage(t testing.TB, what string, got, want []float32, share float64) {
	t.Helper()
	var size, off float64
	for i, w := range want {
		size += float64(w) * float64(w)
		off += float64(got[i]-w) * float64(got[i]-w)
	}
	if !(off <= share*share*size) {
		t.Errorf("%s is off by %.3g of its size, expected at most %.3g", what, math.Sqrt(off/size), share)
	}
}

// A result is rounded to 8 bits, which is off by at most 1/256 of it, and by 1/600 as a root of mean squares. So are the probabilities, or
// their gradients, whose errors mostly cancel in a sum; all else is exact or in float32.
func TestAttentionBF16AndItsGradientMatchTheReference(t *testing.T) {
	test := func(seed, rows int, offsets []int32, h heads) {
		subtest(t, func(t *testing.T) {
			s := kernels.Sequences{Rows: rows, Count: len(offsets) - 1, Heads: h.count, KVHeads: h.keys, HeadDim: h.dim}
			width, stride, random := h.count*h.dim, h.columns(), newSource(seed)
			qkv, dout := random.normals(rows*stride), random.normals(rows*width)
			pqkv, pdout, poffsets := inBF16(t, qkv, rows, stride), inBF16(t, dout, rows, width), upload(t, offsets)
			out, lse := room(t, rows*kernels.PitchBF16(width), 2), roomForFloats(t, rows*h.count)
			launch(t, kernels.AttentionBF16(out, lse, pqkv, poffsets, s))
			gotOut, wantOut, wantLSE := downloadBF16(t, out, rows, width), make([]float32, rows*width), make([]float32, rows*h.count)
			ref.Attention(wantOut, wantLSE, qkv, offsets, rows, h.count, h.keys, h.dim)
			near(t, "lse", downloadFloats(t, lse, len(wantLSE)), wantLSE, 1e-6, 1)
			near(t, "out", gotOut, wantOut, 1.0/256, 1)
			closeOnAverage(t, "out", gotOut, wantOut, 1.0/450)

			dqkv, delta := room(t, rows*kernels.PitchBF16(stride), 2), roomForFloats(t, rows*h.count)
			launch(t, kernels.AttentionGradBF16(dqkv, pqkv, out, lse, pdout, delta, poffsets, s)...)
			got, want := downloadBF16(t, dqkv, rows, stride), make([]float32, len(qkv))
			ref.AttentionGrad(want, qkv, gotOut, wantLSE, dout, offsets, rows, h.count, h.keys, h.dim)
			near(t, "dqkv", got, want, 1.0/256, 4)
			closeOnAverage(t, "dqkv", got, want, 1.0/350)
		}, offsets, fmt.Sprintf(" of %d rows, %v", rows, h))
	}
	for i, p := range packings {
		for _, h := range []heads{
			{3, 3, 16}, {1, 1, 32}, {2, 2, 64}, {1, 1, 128}, // the dimensions of the kernels
			{2, 2, 8}, {1, 1, 24}, {1, 1, 48}, {1, 1, 80}, // whole pieces of 16 bytes
			{3, 3, 13}, {1, 1, 20}, {1, 1, 33}, {1, 1, 99},
			{2, 1, 16}, {4, 2, 20}, {3, 1, 64}, {2, 1, 128}, // heads that share keys and values
		} {
			test(i, p.rows, p.offsets, h)
		}
	}
	for i, offsets := range [][]int32{{0, 400}, {1, 150, 151, 385}} { // more tiles than the ring has; tiles whose last row alone is met
		for _, dim := range []int{16, 32, 64, 128} {
			test(i, 400, offsets, heads{1, 1, dim})
		}
	}
}

// What is not finite in rows of no sequence stays there.
func TestAttentionBF16LeavesRowsOfNoSequenceOut(t *testing.T) {
	const rows, dim = 200, 64
	s := kernels.Sequences{Rows: rows, Count: 1, Heads: 1, KVHeads: 1, HeadDim: dim}
	offsets := []int32{20, 150}
	qkv, dout := newSource(1).normals(rows*3*dim), newSource(2).normals(rows*dim)
	for i := range rows {
		if i < int(offsets[0]) || i >= int(offsets[1]) {
			for j := range 3 * dim {
				qkv[i*3*dim+j], dout[i*dim+j/3] = float32(math.Inf(1)), float32(math.NaN())
			}
		}
	}
	pqkv, pdout, poffsets := inBF16(t, qkv, rows, 3*dim), inBF16(t, dout, rows, dim), upload(t, offsets)
	out, lse, dqkv, delta := room(t, rows*dim, 2), roomForFloats(t, rows), room(t, rows*3*dim, 2), roomForFloats(t, rows)
	launch(t, kernels.AttentionBF16(out, lse, pqkv, poffsets, s))
	launch(t, kernels.AttentionGradBF16(dqkv, pqkv, out, lse, pdout, delta, poffsets, s)...)
	for what, x := range map[string][]float32{
		"out": downloadBF16(t, out, rows, dim), "lse": downloadFloats(t, lse, rows), "dqkv": downloadBF16(t, dqkv, rows, 3*dim),
	} {
		width := len(x) / rows
		for i, v := range x {
			inside := i/width >= int(offsets[0]) && i/width < int(offsets[1])
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) || !inside && v != 0 {
				t.Fatalf("%s of row %d is %g", what, i/width, v)
			}
		}
	}
}

// A sequence of GPT-2's length and head dimension: the products that a triangle of scores needs, each byte of the kept rows once, those of
// the met ones once a tile of 128 rows.
func TestAttentionBF16DoesLittleMoreThanItMust(t *testing.T) {
	const rows, dim, tile, bf16Size = 1024, 64, 128, 2
	s := kernels.Sequences{Rows: rows, Count: 1, Heads: 1, KVHeads: 1, HeadDim: dim}
	random := newSource(1)
	pqkv, pdout := inBF16(t, random.normals(rows*3*dim), rows, 3*dim), inBF16(t, random.normals(rows*dim), rows, dim)
	offsets := upload(t, []int32{0, rows})
	out, lse, dqkv, delta := room(t, rows*dim, bf16Size), roomForFloats(t, rows), room(t, rows*3*dim, bf16Size), roomForFloats(t, rows)
	launches := append([]kernels.Launch{kernels.AttentionBF16(out, lse, pqkv, offsets, s)},
		kernels.AttentionGradBF16(dqkv, pqkv, out, lse, pdout, delta, offsets, s)...)
	const (
		product = 2 * dim * rows * (rows + 1) / 2 // FLOPs of one, of scores that are not masked
		matrix  = rows * dim * bf16Size           // bytes of the rows of one matrix
		met     = matrix * (rows/tile + 1) / 2    // of all tiles that are met
		numbers = rows * 4                        // of lse or delta
	)
	for i, least := range []struct{ products, bytes float64 }{
		{2, 2*matrix + numbers + 2*met},               // q, out, lse; k, v
		{3, 4*matrix + 2*numbers + 2*met},             // q, dout, out, dq, lse, delta; k, v
		{4, 4*matrix + 2*met + (rows/tile+1)*numbers}, // k, v, dk, dv; q, dout, lse, delta
	} {
		c := measured(t, launches[i])
		if flops := c.FLOPs()["tensor"]; flops > 1.07*least.products*product {
			t.Errorf("%s: %.3f times the products it must do", c.Kernel, flops/(least.products*product))
		}
		if bytes := float64(32 * c.Sectors()); bytes > 1.02*least.bytes {
			t.Errorf("%s: %.3f times the bytes it must move", c.Kernel, bytes/least.bytes)
		}
		if _, conflicts := c.BankConflicts(); conflicts > 0 {
			t.Errorf("%s: %d bank conflicts", c.Kernel, conflicts)
		}
	}
}
