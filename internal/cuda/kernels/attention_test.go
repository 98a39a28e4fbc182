package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// packing is rows that hold sequences one behind the other.
type packing struct {
	rows    int
	offsets []int32
}

// packings are sequences of one row, shorter and longer than a tile, cut by tiles, empty ones, and rows of no sequence at both ends.
var packings = []packing{
	{1, []int32{0, 1}},
	{64, []int32{0, 64}},
	{70, []int32{0, 3, 3, 12, 40, 66}},
	{131, []int32{0, 131}},
	{150, []int32{67, 68, 135}},
	{33, []int32{0, 0}},
}

func TestAttentionAndItsGradientMatchTheReference(t *testing.T) {
	for i, p := range packings {
		for _, h := range []heads{
			{1, 1, 1}, {2, 2, 13}, {1, 1, 16}, {1, 1, 18}, {3, 3, 20}, {1, 1, 64}, {2, 2, 50}, {1, 1, 128}, {2, 2, 99}, {2, 2, 12}, {1, 1, 100},
			{2, 1, 16}, {4, 2, 20}, {3, 1, 50}, {2, 1, 128}, // heads that share keys and values
		} {
			testAttention(t, i, p, h)
		}
	}
}

// In each kernel the last piece of 4 columns has 1, 2 and 3 that exist.
func TestAttentionOfHeadsThatFourDoesNotDivide(t *testing.T) {
	for _, dim := range []int{13, 14, 15, 25, 26, 27, 57, 58, 59, 97, 98, 99} {
		testAttention(t, dim, packing{40, []int32{0, 17, 40}}, heads{2, 2, dim})
	}
}

// heads are how many there are, how many of keys and values, and their columns.
type heads struct{ count, keys, dim int }

// columns are those of qkv.
func (h heads) columns() int { return (h.count + 2*h.keys) * h.dim }

func (h heads) String() string {
	return fmt.Sprintf("%d heads of %d, %d of keys", h.count, h.dim, h.keys)
}

// testAttention holds attention and its gradient to the reference.
func testAttention(t *testing.T, seed int, p packing, h heads) {
	subtest(t, func(t *testing.T) {
		s := kernels.Sequences{Rows: p.rows, Count: len(p.offsets) - 1, Heads: h.count, KVHeads: h.keys, HeadDim: h.dim}
		width, random := h.count*h.dim, newSource(seed)
		qkv, dout := random.normals(p.rows*h.columns()), random.normals(p.rows*width)
		pqkv, offsets := upload(t, qkv), upload(t, p.offsets)
		out, lse := roomForFloats(t, p.rows*width), roomForFloats(t, p.rows*h.count)
		launch(t, kernels.Attention(out, lse, pqkv, offsets, s))
		wantOut, wantLSE := make([]float32, p.rows*width), make([]float32, p.rows*h.count)
		ref.Attention(wantOut, wantLSE, qkv, p.offsets, p.rows, h.count, h.keys, h.dim)
		// Scores near 3 are rounded to 3e-7, which is the relative error of a probability.
		near(t, "out", downloadFloats(t, out, len(wantOut)), wantOut, 2e-6, 1)
		near(t, "lse", downloadFloats(t, lse, len(wantLSE)), wantLSE, 1e-6, 1)

		dqkv, delta := roomForFloats(t, len(qkv)), roomForFloats(t, p.rows*h.count)
		launch(t, kernels.AttentionGrad(dqkv, pqkv, out, lse, upload(t, dout), delta, offsets, s)...)
		want := make([]float32, len(qkv))
		ref.AttentionGrad(want, qkv, wantOut, wantLSE, dout, p.offsets, p.rows, h.count, h.keys, h.dim)
		near(t, "dqkv", downloadFloats(t, dqkv, len(want)), want, 4e-6, 4) // products dout·v near √128 cancel
	}, p.offsets, fmt.Sprintf(" of %d rows, %v", p.rows, h))
}

// A head whose numbers are none leaves the head beside it alone: what lies behind a head's columns is not read, not even to be multiplied
// by 0.
func TestAttentionKeepsHeadsApart(t *testing.T) {
	const rows = 40
	for _, dim := range []int{12, 13, 24, 25, 48, 49, 96, 97} {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) { testHeadsApart(t, rows, dim, inBF16) }, dim, inBF16)
		}
	}
}

func testHeadsApart(t *testing.T, rows, dim int, inBF16 bool) {
	const heads = 3 // of which that in the middle is no number
	width, random := heads*dim, newSource(dim)
	qkv, dout := random.normals(3*rows*width), random.normals(rows*width)
	spoilt := func(i int) bool { return i%width/dim == 1 }
	for _, x := range [][]float32{qkv, dout} {
		for i := range x {
			if spoilt(i) {
				x[i] = float32(math.NaN())
			}
		}
	}
	s := kernels.Sequences{Rows: rows, Count: 1, Heads: heads, KVHeads: heads, HeadDim: dim}
	offsets := upload(t, []int32{0, int32(rows)})
	pqkv, pdout := uploadFloats(t, qkv, 3*width, inBF16), uploadFloats(t, dout, width, inBF16)
	out, dqkv := roomFor(t, rows, width, inBF16), roomFor(t, rows, 3*width, inBF16)
	lse, delta := roomForFloats(t, heads*rows), roomForFloats(t, heads*rows)
	forward, backward := kernels.Attention, kernels.AttentionGrad
	if inBF16 {
		forward, backward = kernels.AttentionBF16, kernels.AttentionGradBF16
	}
	launch(t, forward(out.At, lse, pqkv.At, offsets, s))
	launch(t, backward(dqkv.At, pqkv.At, out.At, lse, pdout.At, delta, offsets, s)...)
	for what, x := range map[string][]float32{"out": downloadRows(t, out, rows, width), "dqkv": downloadRows(t, dqkv, rows, 3*width)} {
		for i, v := range x {
			if v == v == spoilt(i) {
				t.Fatalf("%s: value %d is %g, and in heads of NaN alone it should be no number", what, i, v)
			}
		}
	}
}

// Queries that are not numbers make the results of their rows so, and of no other row.
func TestAttentionKeepsWhatIsNoNumber(t *testing.T) {
	const rows, spoilt = 40, 4
	for _, dim := range []int{16, 32, 64, 128} {
		s := kernels.Sequences{Rows: rows, Count: 1, Heads: 1, KVHeads: 1, HeadDim: dim}
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
			attention(1, 1, 1, 1, kernels.Sequences{Rows: 1, Count: 1, Heads: 1, KVHeads: 1, HeadDim: kernels.MaxHeadDim + 1})
		}()
	}
}

// 99 KiB is what a block may have on GPUs of capability 8.6 and 8.9, which have the least of those that the cubins run on.
func TestAttentionFitsTheSharedMemoryOfEveryGPU(t *testing.T) {
	for dim := 1; dim <= kernels.MaxHeadDim; dim++ {
		s := kernels.Sequences{Rows: 1, Count: 1, Heads: 1, KVHeads: 1, HeadDim: dim}
		launches := append(kernels.AttentionGrad(1, 1, 1, 1, 1, 1, 1, s), kernels.Attention(1, 1, 1, 1, s), kernels.AttentionBF16(1, 1, 1, 1, s))
		for _, l := range append(launches, kernels.AttentionGradBF16(1, 1, 1, 1, 1, 1, 1, s)...) {
			if l.Shared > 99<<10 {
				t.Errorf("%s takes %d bytes of shared memory, more than 99 KiB", l.Kernel, l.Shared)
			}
		}
	}
}
