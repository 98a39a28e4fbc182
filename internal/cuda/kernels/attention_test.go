package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// packings are sequences of one row, shorter and longer than a tile, cut by tiles, empty ones, and rows of no sequence at both ends.
var packings = []struct {
	rows    int
	offsets []int32
}{
	{1, []int32{0, 1}},
	{64, []int32{0, 64}},
	{70, []int32{0, 3, 3, 12, 40, 66}},
	{131, []int32{0, 131}},
	{150, []int32{67, 68, 135}},
	{33, []int32{0, 0}},
}

func TestAttentionAndItsGradientMatchTheReference(t *testing.T) {
	for i, c := range packings {
		for _, h := range []struct{ heads, dim int }{{1, 1}, {2, 13}, {1, 16}, {3, 20}, {1, 18}, {1, 64}, {2, 50}, {1, 128}, {1, 99}, {2, 12}, {1, 100}} {
			subtest(t, func(t *testing.T) {
				s := kernels.Sequences{Rows: c.rows, Count: len(c.offsets) - 1, Heads: h.heads, HeadDim: h.dim}
				width, random := h.heads*h.dim, newSource(i)
				qkv, dout := random.normals(3*c.rows*width), random.normals(c.rows*width)
				pqkv, offsets := upload(t, qkv), upload(t, c.offsets)
				out, lse := roomForFloats(t, c.rows*width), roomForFloats(t, c.rows*h.heads)
				launch(t, kernels.Attention(out, lse, pqkv, offsets, s))
				wantOut, wantLSE := make([]float32, c.rows*width), make([]float32, c.rows*h.heads)
				ref.Attention(wantOut, wantLSE, qkv, c.offsets, c.rows, h.heads, h.dim)
				// Scores near 3 are rounded to 3e-7, which is the relative error of a probability.
				near(t, "out", downloadFloats(t, out, len(wantOut)), wantOut, 2e-6, 1)
				near(t, "lse", downloadFloats(t, lse, len(wantLSE)), wantLSE, 1e-6, 1)

				dqkv, delta := roomForFloats(t, len(qkv)), roomForFloats(t, c.rows*h.heads)
				launch(t, kernels.AttentionGrad(dqkv, pqkv, out, lse, upload(t, dout), delta, offsets, s)...)
				want := make([]float32, len(qkv))
				ref.AttentionGrad(want, qkv, wantOut, wantLSE, dout, c.offsets, c.rows, h.heads, h.dim)
				near(t, "dqkv", downloadFloats(t, dqkv, len(want)), want, 4e-6, 4) // products dout·v near √128 cancel
			}, c.offsets, fmt.Sprintf(" of %d rows, %d heads of %d", c.rows, h.heads, h.dim))
		}
	}
}

// Queries that are not numbers make the results of their rows so, and of no other row.
func TestAttentionKeepsWhatIsNoNumber(t *testing.T) {
	const rows, spoilt = 40, 4
	for _, dim := range []int{16, 32, 64, 128} {
		s := kernels.Sequences{Rows: rows, Count: 1, Heads: 1, HeadDim: dim}
		qkv := newSource(dim).normals(3 * rows * dim)
		for row := range spoilt {
			qkv[3*row*dim] = float32(math.NaN())
		}
		out, lse := roomForFloats(t, rows*dim), roomForFloats(t, rows)
		launch(t, kernels.Attention(out, lse, upload(t, qkv), upload(t, []int32{0, rows}), s))
		results, sums := downloadFloats(t, out, rows*dim), downloadFloats(t, lse, rows)
		for row := range rows {
			o, l := float64(results[row*dim]), float64(sums[row])
			if want := row < spoilt; math.IsNaN(o) != want || math.IsNaN(l) != want {
				t.Errorf("heads of %d: row %d has out %g and lse %g, expected NaN: %v", dim, row, o, l, want)
			}
		}
	}
}

func TestAttentionRefusesHeadsItHasNoKernelFor(t *testing.T) {
	for name, attention := range map[string]func(out, lse, qkv, offsets kernels.Pointer, s kernels.Sequences) kernels.Launch{
		"Attention": kernels.Attention, "AttentionBF16": kernels.AttentionBF16,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s accepted a head dimension of 129", name)
				}
			}()
			attention(1, 1, 1, 1, kernels.Sequences{Rows: 1, Count: 1, Heads: 1, HeadDim: kernels.MaxHeadDim + 1})
		}()
	}
}

// 99 KiB is what a block may have on GPUs of capability 8.6 and 8.9, which have the least of those that the cubins run on.
func TestAttentionFitsTheSharedMemoryOfEveryGPU(t *testing.T) {
	for dim := 1; dim <= kernels.MaxHeadDim; dim++ {
		s := kernels.Sequences{Rows: 1, Count: 1, Heads: 1, HeadDim: dim}
		launches := append(kernels.AttentionGrad(1, 1, 1, 1, 1, 1, 1, s), kernels.Attention(1, 1, 1, 1, s), kernels.AttentionBF16(1, 1, 1, 1, s))
		for _, l := range append(launches, kernels.AttentionGradBF16(1, 1, 1, 1, 1, 1, 1, s)...) {
			if l.Shared > 99<<10 {
				t.Errorf("%s takes %d bytes of shared memory, more than 99 KiB", l.Kernel, l.Shared)
			}
		}
	}
}
